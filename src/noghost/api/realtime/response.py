"""One answer: a mind writes it and a mouth says it while it is written, processes for it alone. In an instance."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from typing import Any

from noghost.api.audio_schema import name_of, speaker_of
from noghost.api.errors import told
from noghost.api.realtime.children import Children
from noghost.api.realtime.items import (
    Conversation,
    Entry,
    chat_of,
    cut,
    first_of,
    fresh_message,
    item_of,
    merged_options,
)
from noghost.api.realtime.schema import ResponseOptions, Session, SoundOut
from noghost.api.realtime.settings import FORMATS, memory_of, second_bytes
from noghost.api.realtime.spoken import Spoken
from noghost.api.realtime.wire import Wire, fresh_id
from noghost.messages import Voice
from noghost.speech.sentences import Sentences
from noghost.speech.speaking import Mouth, speaking
from noghost.speech.thinking import Mind, thinking

Status = dict[str, Any]


class Response:
    """`run` once, in a task; a cancelled one says what was said until then."""

    def __init__(
        self,
        wire: Wire,
        conversation: Conversation,
        children: Children,
        session: Session,
        options: ResponseOptions,
        speakers: Sequence[str],
    ) -> None:
        self.id = fresh_id("resp")
        self.cancelled_by = "client_cancelled"
        self._wire, self._conversation, self._children = wire, conversation, children
        self._session, self._options = session, options
        self._said = merged_options(session, options)
        self._speaks = self._said.output_modalities == ["audio"]
        self._sound: SoundOut = (options.audio or {}).get("output", session.audio.output)
        self._speaker = speaker_of(self._sound.voice, speakers)
        self._output: list[Entry] = []
        self._message: Entry | None = None
        self._calls: list[Entry] = []
        self._spoken = Spoken()
        self._sentences = Sentences(hasty=True)
        self._usage: dict[str, Any] | None = None
        self._finish = ""

    async def run(self, ready: Callable[[], Awaitable[None]]) -> None:
        """`ready`: until all that was said is known as text."""
        await self._wire.say("response.created", response=self._shown("in_progress"))
        try:
            await self._answer(ready)
        except asyncio.CancelledError:
            await self._end("cancelled", {"type": "cancelled", "reason": self.cancelled_by})
        except Exception as error:  # noqa: BLE001  of one that is not ours nothing is told
            found = told(error)[1]["error"]
            details = {name: found[name] for name in ("type", "code", "message") if found[name] is not None}
            await self._end("failed", {"type": "failed", "error": details})
        else:
            cut_short = self._finish == "length"
            reason = {"reason": "max_output_tokens"} if cut_short else {}
            status = "incomplete" if cut_short else "completed"
            await self._end(status, {"type": status, **reason})

    async def _answer(self, ready: Callable[[], Awaitable[None]]) -> None:
        """Mind and mouth are born while what was said is still being understood."""
        async with AsyncExitStack() as stack:
            mind = await stack.enter_async_context(thinking(*await stack.enter_async_context(self._child(Voice.MIND))))
            mouth = await self._begin_to_speak(stack) if self._speaks else None
            await ready()
            items = self._items()
            memory = memory_of(self._session, self._said.instructions)
            await mind.ask(chat_of(self._session, self._options, items), memory)
            stack.callback(self._forget, mind, items)
            if mouth is None:
                await self._write(mind, None)
                return
            sounding = asyncio.create_task(self._send_sound(mouth))
            stack.callback(sounding.cancel)
            await self._write(mind, mouth)
            if self._message is not None:
                await sounding

    async def _begin_to_speak(self, stack: AsyncExitStack) -> Mouth:
        child = await stack.enter_async_context(self._child(Voice.MOUTH))
        wanted = FORMATS[self._sound.format.type]
        return await stack.enter_async_context(
            speaking(*child, wanted=wanted, speed=self._sound.speed, speaker=self._speaker)
        )

    def _forget(self, mind: Mind, items: list[Entry]) -> None:
        """What was left out is left out from here on, of this conversation."""
        if self._options.input is None:
            self._conversation.forgotten |= {item["id"] for item in first_of(items, mind.forgotten)}

    def _child(self, voice: Voice) -> Any:
        return self._children.child(voice)

    def _items(self) -> list[Entry]:
        """What it answers to."""
        if self._options.input is None:
            return self._conversation.remembered()
        return [
            self._conversation.find(item.id or "") if item.type == "item_reference" else item_of(item)
            for item in self._options.input
        ]

    # --- while it is written ------------------------------------------------------------------------------

    async def _write(self, mind: Mind, mouth: Mouth | None) -> None:
        async for chunk in mind.chunks():
            if chunk.get("usage"):
                self._usage = chunk["usage"]
            for choice in chunk["choices"]:
                self._finish = choice["finish_reason"] or self._finish
                await self._take(choice["delta"], mouth)
        for call in self._calls:
            await self._end_call(call, "completed")
        if mouth is not None and self._message is not None:
            await self._say(mouth, self._sentences.end())
            await mouth.end()

    async def _take(self, delta: dict[str, Any], mouth: Mouth | None) -> None:
        if text := delta.get("content"):
            if self._message is None:
                self._message = await self._begin_message()
            part = self._message["content"][0]
            part["transcript" if self._speaks else "text"] += text
            kind = "response.output_audio_transcript.delta" if self._speaks else "response.output_text.delta"
            await self._wire.say(kind, **self._place(self._message), content_index=0, delta=text)
            if mouth is not None:
                await self._say(mouth, self._sentences.add(text))
        for call in delta.get("tool_calls", ()):
            await self._take_call(call)

    async def _say(self, mouth: Mouth, sentences: list[str]) -> None:
        self._spoken.said_s = mouth.said_s
        for sentence in sentences:
            self._spoken.sentences.append(sentence)
            await mouth.say(sentence)

    async def _send_sound(self, mouth: Mouth) -> None:
        async for data in mouth.sound():
            assert self._message is not None
            self._spoken.sent_s += len(data) / second_bytes(self._sound.format)
            await self._wire.say(
                "response.output_audio.delta",
                **self._place(self._message),
                content_index=0,
                delta=b64encode(data).decode(),
            )

    async def _take_call(self, call: dict[str, Any]) -> None:
        function = call["function"]
        if "name" in function:
            item = {
                "id": fresh_id("item"),
                "object": "realtime.item",
                "type": "function_call",
                "status": "in_progress",
                "call_id": call["id"],
                "name": function["name"],
                "arguments": "",
            }
            self._calls.append(item)
            await self._begin_item(item)
        item = self._calls[call["index"]]
        if function["arguments"]:
            item["arguments"] += function["arguments"]
            await self._wire.say(
                "response.function_call_arguments.delta",
                **self._place(item),
                call_id=item["call_id"],
                delta=function["arguments"],
            )

    # --- begins and ends of items -------------------------------------------------------------------------

    async def _begin_message(self) -> Entry:
        item = fresh_message("assistant", "in_progress", [])
        await self._begin_item(item)
        if self._options.conversation == "auto":
            self._conversation.spoken[item["id"]] = self._spoken
        name = "transcript" if self._speaks else "text"
        item["content"] = [{"type": "output_audio" if self._speaks else "output_text", name: ""}]
        await self._part(item, "added")
        return item

    async def _begin_item(self, item: Entry) -> None:
        self._output.append(item)
        await self._wire.say("response.output_item.added", **self._index(item), item=item)
        if self._options.conversation == "auto":
            before = self._conversation.add(item)
            await self._wire.say("conversation.item.added", previous_item_id=before, item=item)

    async def _end_item(self, item: Entry, status: str) -> None:
        item["status"] = status
        if self._options.conversation == "auto":
            await self._wire.say("conversation.item.done", previous_item_id=self._before(item), item=item)
        await self._wire.say("response.output_item.done", **self._index(item), item=item)

    async def _end_call(self, item: Entry, status: str) -> None:
        await self._wire.say(
            "response.function_call_arguments.done",
            **self._place(item),
            call_id=item["call_id"],
            name=item["name"],
            arguments=item["arguments"],
        )
        await self._end_item(item, status)

    async def _end_message(self, item: Entry, status: str) -> None:
        at = {**self._place(item), "content_index": 0}
        if self._speaks:
            if status != "completed":
                cut(item, self._spoken.heard(self._spoken.sent_s))
            await self._wire.say("response.output_audio.done", **at)
            transcript = item["content"][0]["transcript"]
            await self._wire.say("response.output_audio_transcript.done", **at, transcript=transcript)
        else:
            await self._wire.say("response.output_text.done", **at, text=item["content"][0]["text"])
        await self._part(item, "done")
        await self._end_item(item, status)

    async def _part(self, item: Entry, what: str) -> None:
        part = item["content"][0]
        told_part = {**part, "type": "audio" if self._speaks else "text"}
        await self._wire.say(f"response.content_part.{what}", **self._place(item), content_index=0, part=told_part)

    async def _end(self, status: str, details: Status) -> None:
        whole = status == "completed" or (status == "incomplete" and self._speaks)
        if self._message is not None:
            await self._end_message(self._message, "completed" if whole else "incomplete")
        for call in self._calls:
            if call["status"] == "in_progress":
                await self._end_call(call, "incomplete")
        await self._wire.say("response.done", response=self._shown(status, details))

    # --- as events tell it --------------------------------------------------------------------------------

    def _index(self, item: Entry) -> dict[str, Any]:
        return {"response_id": self.id, "output_index": self._output.index(item)}

    def _place(self, item: Entry) -> dict[str, Any]:
        return {**self._index(item), "item_id": item["id"]}

    def _before(self, item: Entry) -> str | None:
        names = [other["id"] for other in self._conversation.items]
        at = names.index(item["id"]) if item["id"] in names else 0
        return names[at - 1] if at else None

    def _shown(self, status: str, details: Status | None = None) -> dict[str, Any]:
        output = {"format": self._sound.format.model_dump(exclude_none=True), "voice": name_of(self._sound.voice)}
        return {
            "object": "realtime.response",
            "id": self.id,
            "status": status,
            "status_details": details,
            "output": self._output,
            "conversation_id": None if self._options.conversation == "none" else "conversation",
            "output_modalities": self._said.output_modalities,
            "max_output_tokens": self._said.max_output_tokens,
            "audio": {"output": output} if self._speaks else {},
            "usage": usage(self._usage),
            "metadata": self._options.metadata,
        }


def usage(found: dict[str, Any] | None) -> dict[str, Any] | None:
    """Of a chat completion, as this API has it; all tokens are of text."""
    if found is None:
        return None
    came, went = found["prompt_tokens"], found["completion_tokens"]
    return {
        "total_tokens": came + went,
        "input_tokens": came,
        "output_tokens": went,
        "input_token_details": {"text_tokens": came, "audio_tokens": 0, "image_tokens": 0, "cached_tokens": 0},
        "output_token_details": {"text_tokens": went, "audio_tokens": 0},
    }
