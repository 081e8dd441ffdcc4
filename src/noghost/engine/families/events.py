"""What a parser makes of an answer. PURE, in an instance.

None of these has a repr: it would hold content.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, repr=False)
class Reasoning:
    """A piece of what the model thinks aloud before it answers."""

    text: str


@dataclass(frozen=True, repr=False)
class Content:
    """A piece of the answer itself."""

    text: str


@dataclass(frozen=True, repr=False)
class CallBegun:
    """A call of the tool `name`, one of those that the parser was told of. `index` counts calls from 0."""

    index: int
    name: str


@dataclass(frozen=True, repr=False)
class CallArguments:
    """A piece of the JSON text of a call's arguments."""

    index: int
    text: str


@dataclass(frozen=True, repr=False)
class CallEnded:
    """Nothing more of this call will come. Each call that has begun ends once."""

    index: int


Event = Reasoning | Content | CallBegun | CallArguments | CallEnded
