"""What a request for embeddings may say: OpenAI's fields. In an instance."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic.config import JsonDict

from noghost.api.schemas import MOST_TOKENS, SOME, ThreadOptions
from noghost.api.strict import Strict

MOST_INPUTS = 2048  # as OpenAI's API
Input = str | list[str] | list[int] | list[list[int]]
IDS: JsonDict = {"type": "array", "minItems": 1, "items": {"type": "integer", "minimum": 0, "maximum": MOST_TOKENS}}
SEVERAL: JsonDict = {"type": "array", "minItems": 1, "maxItems": MOST_INPUTS}
INPUT: JsonDict = {"anyOf": [SOME, {**SEVERAL, "items": SOME}, IDS, {**SEVERAL, "items": IDS}]}


class EmbeddingRequest(Strict):
    """POST /v1/embeddings."""

    model: str = "default"
    input: Input = Field(json_schema_extra=INPUT)
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = Field(
        default=None, ge=1, description="the model's own number; another one is refused: no model here says that it can"
    )
    noghost: ThreadOptions = ThreadOptions()

    @field_validator("input")
    @classmethod
    def some(cls, value: Input) -> Input:
        """At least one text, none of them empty, and at most MOST_INPUTS."""
        texts = texts_of(value)
        if not texts or not all(texts):
            raise ValueError("input is a text, token ids, or a list of either, none of them empty")
        if len(texts) > MOST_INPUTS:
            raise ValueError(f"input takes at most {MOST_INPUTS} texts; send the others in another request")
        return value

    @property
    def texts(self) -> list[str | list[int]]:
        """Each input, as text or as token ids."""
        return texts_of(self.input)


def texts_of(value: Input) -> list[str | list[int]]:
    """Each input of the four forms."""
    if isinstance(value, list) and not (value and isinstance(value[0], int)):
        return list(value)  # type: ignore[arg-type]  # a list of one kind, as pydantic has checked
    return [value]
