"""A question and its answer, while they are spoken; then they are turns."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from noghost.client.talk.latency import Latency
from noghost.client.talk.pace import Pace
from noghost.client.transcript import Turn
from noghost.client.transcript.facts import stamp


@dataclass(slots=True, eq=False)
class Exchange:
    """What is known of it so far. No text is in the repr."""

    began: datetime
    pace: Pace = field(repr=False)
    told: Turn | None = None  # the line about the gap, if the instance was told one
    item: str = ""  # the question's name at the service
    firm: str = field(default="", repr=False)  # the caption: what does not change any more, and what may
    open: str = field(default="", repr=False)
    asked: str | None = field(default=None, repr=False)  # the question's text, once it is known
    is_asking: bool = True  # somebody speaks
    response: str = ""  # the answer's name
    answered: datetime | None = None  # when it began
    answer: str = ""  # its item's
    text: str = field(default="", repr=False)  # as far as it is written
    spoken: str = field(default="", repr=False)  # as far as it was heard
    is_written: bool = False  # nothing more comes
    cut_s: float | None = None  # it was interrupted when so much had been played
    is_cutting: bool = False  # the service was asked what of it was heard
    is_short: bool = False  # the service ended it at its limit
    failure: str = ""
    latency: Latency = field(default_factory=Latency)

    def turns(self, ended: datetime, model: str) -> list[Turn]:
        """What is kept: nothing where no word was heard; of the answer what was heard of it."""
        if not self.asked:
            return []
        question = Turn("user", self.asked, {"began": stamp(self.began)})
        found = [*([self.told] if self.told else []), question]
        if self.spoken:
            known = {"began": stamp(self.answered or self.began), "ended": stamp(ended), "model": model}
            found.append(Turn("assistant", self.spoken, known))
        return found
