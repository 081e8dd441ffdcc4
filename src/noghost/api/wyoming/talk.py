"""One connection, one request, one answer, in Wyoming's events. In an instance."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable

from noghost.api.body import BUSY
from noghost.api.equipment import Equipment, part
from noghost.api.errors import told, validated
from noghost.api.here import Here
from noghost.api.wyoming.about import NAME, info
from noghost.api.wyoming.caller import Caller, End
from noghost.api.wyoming.events import Event, invalid
from noghost.api.wyoming.handle import handle
from noghost.api.wyoming.hear import hear
from noghost.api.wyoming.schema import Named, Ping
from noghost.api.wyoming.speak import speak, speak_pieces
from noghost.errors import RequestError
from noghost.messages import Outcome

Serve = Callable[[Caller, Event], Awaitable[None]]
# The events that ask for something; the connection ends with the answer.
REQUESTS: dict[str, Serve] = {
    "transcribe": hear,
    "audio-start": hear,
    "synthesize": speak,
    "synthesize-start": speak_pieces,
    "transcript": handle,
}
UNKNOWN = "this service does not know such an event, and passed over it"


def serve_wyoming(equipment: Equipment, now: Here) -> Outcome:
    """Serve the connection; returns when the caller has left or has been answered."""
    outcome = equipment.loop.run_until_complete(converse(equipment, now))
    part(equipment.after, outcome, now.limits)
    return outcome


async def converse(equipment: Equipment, now: Here) -> Outcome:
    """Until the connection is closed."""
    end = End(equipment.loop, now.limits.header_bytes)
    await equipment.loop.connect_accepted_socket(lambda: end, equipment.connection)
    talk = Talk(Caller(end, now))
    talking = equipment.loop.create_task(talk.run())
    await asyncio.wait({talking, end.left}, return_when=asyncio.FIRST_COMPLETED)
    if end.left.done() and talk.asked:  # nothing is computed for nobody
        talking.cancel()
    await asyncio.wait({talking})
    end.transport.close()
    return talk.outcome(await end.lost)


class Talk:
    """What is asked and answered on one connection."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._tally = caller.now.tally
        self.asked = False  # a request is under way

    async def run(self) -> None:
        """Until the answer is whole or the caller has left. What goes wrong is told, and nothing of it shown."""
        try:
            if self._caller.now.busy:
                raise RequestError(BUSY, status=503, code="busy")
            while (event := await self._caller.hear()) is not None:
                if serve := REQUESTS.get(event.type):
                    await self._answer(serve, event)
                    return
                await self._aside(event)
        except OSError:  # the connection is lost; `outcome` is told why
            return
        except Exception as error:  # noqa: BLE001  its message may hold content: `told` shows none of it
            with contextlib.suppress(OSError):
                self._tally.status = await self._say(error)

    async def _answer(self, serve: Serve, event: Event) -> None:
        """Unless nobody would hear the answer."""
        self.asked = True
        if not self._caller.end.left.done():
            self._caller.now.timeline.reach("request")
            await serve(self._caller, event)
            self.asked, self._tally.status = False, 200

    async def _aside(self, event: Event) -> None:
        """What asks for no work; after it there may be more."""
        match event.type:
            case "describe":
                await self._caller.tell("info", info(self._caller.now))
            case "ping":
                await self._caller.tell("pong", {"text": validated(Ping, event.data).text})
            case "select-program":
                if validated(Named, event.data).name != NAME:
                    raise invalid(f"there is one program here: {NAME}")
            case _:
                await self._say(RequestError(UNKNOWN, code="unknown_event"))
                return
        self._tally.status = 200

    async def _say(self, error: Exception) -> int:
        """As an event; the status that it has over HTTP."""
        status, body = told(error)
        await self._caller.tell("error", {"text": body["error"]["message"], "code": body["error"]["code"]})
        return status

    def outcome(self, lost: Exception | None) -> Outcome:
        """How it ended; `lost`: what the connection was lost by."""
        if isinstance(lost, TimeoutError) or self._tally.status == 408:
            return Outcome.TIMEOUT
        if failed := self._tally.failed:
            return failed
        return Outcome.ANSWERED if self._tally.status and not self.asked else Outcome.DISCONNECTED
