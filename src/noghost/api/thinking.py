"""The switches of thinking: OpenAI's, vLLM's, z.ai's and our own, which have to say one thing. In an instance."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field, model_validator

from noghost.api.strict import Strict, UnsupportedError

Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh"]


class TemplateOptions(Strict):
    """vLLM's `chat_template_kwargs`: a closed set, since a template is a program."""

    enable_thinking: bool | None = None
    thinking: bool | None = Field(default=None, description="the same, as some templates call it")
    clear_thinking: bool | None = None
    reasoning_effort: Effort | None = None

    @model_validator(mode="before")
    @classmethod
    def only_known(cls, body: Any) -> Any:
        """Any other variable would be dropped."""
        if isinstance(body, dict) and not body.keys() <= cls.model_fields.keys():
            known = ", ".join(cls.model_fields)
            raise UnsupportedError("chat_template_kwargs", f"chat_template_kwargs takes {known}, and no other")
        return body


class Thinking(Strict):
    """z.ai's `thinking`."""

    type: Literal["enabled", "disabled"] | None = None
    clear_thinking: bool | None = Field(default=None, description="false: earlier turns' reasoning stays in the prompt")


class ThinkingFields(Strict):
    """What a conversation's request says of thinking."""

    reasoning_effort: Effort | None = None
    chat_template_kwargs: TemplateOptions = TemplateOptions()
    thinking: Thinking = Thinking()

    @property
    def own_switch(self) -> bool | None:
        """This service's."""
        return None

    @property
    def thinks(self) -> bool | None:
        """Whether the model is to think before it answers; None: as it does by itself."""
        options = self.chat_template_kwargs
        efforts = (self.reasoning_effort, options.reasoning_effort)
        said = agreed(
            {
                "thinking": None if self.thinking.type is None else self.thinking.type == "enabled",
                "chat_template_kwargs": options.enable_thinking,
                "chat_template_kwargs.thinking": options.thinking,
                "noghost.thinking": self.own_switch,
                "reasoning_effort": False if "none" in efforts else None,
            }
        )
        return None if said is None else bool(said)

    @property
    def template_variables(self) -> dict[str, Any]:
        """What the chat template is told of it."""
        options = self.chat_template_kwargs
        efforts = {
            "reasoning_effort": self.reasoning_effort,
            "chat_template_kwargs.reasoning_effort": options.reasoning_effort,
        }
        clears = {
            "thinking.clear_thinking": self.thinking.clear_thinking,
            "chat_template_kwargs.clear_thinking": options.clear_thinking,
        }
        effort = agreed(efforts)
        told = {
            "enable_thinking": self.thinks,
            "thinking": self.thinks,
            "clear_thinking": agreed(clears),
            "reasoning_effort": None if effort == "none" else effort,
        }
        return {name: value for name, value in told.items() if value is not None}

    @model_validator(mode="after")
    def say_one_thing(self) -> ThinkingFields:
        """Switches that contradict each other are a mistake."""
        _ = self.template_variables
        return self


def agreed(said: dict[str, Any]) -> Any:
    """What all of these fields say that say anything; None where none does. UnsupportedError if they differ."""
    given = {name: value for name, value in said.items() if value is not None}
    if len(set(given.values())) > 1:
        raise UnsupportedError(next(iter(given)), f"{' and '.join(given)} contradict each other")
    return next(iter(given.values()), None)
