"""The gaps of a conversation, from the times in its transcript. Exact to the millisecond, by the caller's clock."""

from __future__ import annotations

from datetime import datetime

from noghost.client.gap.record import Bounds, Gap, Record, Stretch, joined
from noghost.client.transcript import Transcript, Turn
from noghost.client.transcript.facts import read_stamp

STEP_S = 0.001


def of_transcript(transcript: Transcript) -> Record:
    """An answer is an instance. Where one without times stands between two others, what lies between is unknown."""
    answers = [turn for turn in transcript.turns if turn.role == "assistant"]
    stretches: list[Stretch] = []
    gaps: list[Gap] = []
    backwards = 0
    sure, end_s = True, None
    for turn in answers:
        life = times(turn)
        if life is None:
            sure = False
            continue
        began_s, ended_s = (moment.timestamp() for moment in life)
        if end_s is not None:
            backwards += began_s < end_s
            gaps += [Gap(Bounds((began_s - end_s) * sure, began_s - end_s), sure)] if began_s > end_s else []
            stretches.append(Stretch(end_s, began_s, "nothing" if sure else "unknown"))
            began_s = max(began_s, end_s)
        stretches.append(Stretch(began_s, ended_s, "something"))
        sure, end_s = True, max(ended_s, began_s)
    untold = sum(times(turn) is None for turn in answers)
    return Record(joined(stretches), tuple(gaps), len(answers), untold, backwards, STEP_S)


def times(turn: Turn) -> tuple[datetime, datetime] | None:
    """First and last moment of an answer, where it has both and they are in that order."""
    try:
        began, ended = (read_stamp(turn.facts.get(name)) for name in ("began", "ended"))
    except ValueError:
        return None
    return (began, ended) if began <= ended else None
