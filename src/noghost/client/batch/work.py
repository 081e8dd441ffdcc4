"""Who does what: every node takes lines as it has room; what one could not answer the next may. On the caller's side.

A line is with one thread at a time, so it is answered once. A node that fails pauses, longer each time, and after
FAILURES in succession is left alone; a line that has failed TRIES times is left unanswered, for a later run.
"""

from __future__ import annotations

import threading
import time
from collections import defaultdict, deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from noghost.client.batch.node import Answer, Node
from noghost.client.batch.requests import Line
from noghost.errors import HuntError, NoghostError

TRIES = 6
FAILURES = 6
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.5, 16.0

Send = Callable[[Node, Line], Answer]
Keep = Callable[[Node, Line, Answer], None]


@dataclass(slots=True)
class Desk:
    """One node, and how it does."""

    node: Node
    models: frozenset[str]
    failures: int = 0  # in succession
    failed_at: float = 0.0
    pause_until: float = 0.0
    reason: str = ""  # of the last failure
    answered: int = 0

    @property
    def is_out(self) -> bool:
        """Whether it is left alone from here on."""
        return self.failures >= FAILURES


@dataclass(slots=True)
class Work:
    """The lines that wait, by model, and the desks. `fault` is what stopped it."""

    desks: list[Desk]
    waiting: dict[str, deque[Line]] = field(default_factory=lambda: defaultdict(deque))
    tries: dict[int, int] = field(default_factory=lambda: defaultdict(int))  # failed ones, by the line's number
    given_up: list[Line] = field(default_factory=list)
    running: int = 0
    fault: NoghostError | None = None
    stopped: bool = False
    changed: threading.Condition = field(default_factory=threading.Condition)

    def begin(self, lines: Iterable[Line], at_once: int | None, send: Send, keep: Keep) -> list[threading.Thread]:
        """Threads for each desk, begun: `at_once`, or as many as its node has seats."""
        for line in lines:
            self.waiting[line.model].append(line)
        threads = [
            threading.Thread(target=self._serve, args=(desk, send, keep), daemon=True)
            for desk in self.desks
            for _ in range(at_once or desk.node.seats)
        ]
        for thread in threads:
            thread.start()
        return threads

    def stop(self, fault: NoghostError | None = None) -> None:
        """Nothing new is begun."""
        with self.changed:
            self.stopped, self.fault = True, self.fault or fault
            self.changed.notify_all()

    def _serve(self, desk: Desk, send: Send, keep: Keep) -> None:
        while (line := self._take(desk)) is not None:
            try:
                self._once(desk, line, send, keep)
            finally:
                with self.changed:
                    self.running -= 1
                    self.changed.notify_all()

    def _take(self, desk: Desk) -> Line | None:
        """The next line for this desk; None when there will be none."""
        with self.changed:
            while not self.stopped and not desk.is_out and (self.running or any(self.waiting.values())):
                pause_s = desk.pause_until - time.monotonic()
                line = self._next(desk) if pause_s <= 0 else None
                if line is not None:
                    self.running += 1
                    return line
                if not self.running and not self._can_go_on():
                    return None
                self.changed.wait(pause_s if pause_s > 0 else None)
            self.changed.notify_all()
            return None

    def _next(self, desk: Desk) -> Line | None:
        return next((queue.popleft() for model, queue in self.waiting.items() if queue and model in desk.models), None)

    def _can_go_on(self) -> bool:
        """Whether some desk could still take a line that waits."""
        wanted = {model for model, queue in self.waiting.items() if queue}
        return any(not desk.is_out and wanted & desk.models for desk in self.desks)

    def _once(self, desk: Desk, line: Line, send: Send, keep: Keep) -> None:
        began = time.monotonic()
        try:
            answer = send(desk.node, line)
        except HuntError as error:
            self._failed(desk, line, began, 0.0, error.message)
            return
        except NoghostError as error:  # of the input: this run is over
            self.stop(error)
            return
        if not answer.is_final:
            reason = f"{desk.node.name} answered {answer.status}"
            self._failed(desk, line, began, answer.wait_s, reason)
            return
        with self.changed:
            desk.failures, desk.answered = 0, desk.answered + 1
        try:
            keep(desk.node, line, answer)
        except NoghostError as error:  # of the output
            self.stop(error)

    def _failed(self, desk: Desk, line: Line, began: float, wait_s: float, reason: str) -> None:
        """Put the line back, and let the node rest: once for all that failed of what it had at that moment."""
        with self.changed:
            desk.reason = reason
            if began >= desk.failed_at:
                desk.failures, desk.failed_at = desk.failures + 1, time.monotonic()
                pause_s = max(wait_s, FIRST_PAUSE_S * 2 ** (desk.failures - 1))
                desk.pause_until = desk.failed_at + min(LONGEST_PAUSE_S, pause_s)
            self.tries[line.number] += 1
            if self.tries[line.number] >= TRIES:
                self.given_up.append(line)
            else:
                self.waiting[line.model].appendleft(line)
