"""The answers of a batch: a file in the form of OpenAI's batch output, in the order in which they came.

    {"id": "batch_req_…", "custom_id": "a1", "error": null,
     "response": {"status_code": 200, "request_id": "…", "body": {…}}}

`request_id` is the name of the instance, by which its receipt is found. A line is there only once its answer is final.

Covered: no line is answered twice; a line is on the disk before the next is written; an answer to another request is
found.
Not covered: a file that was edited so that it still fits.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

from noghost.client.batch.appending import Appending
from noghost.client.batch.node import Answer
from noghost.client.batch.requests import Line, Requests
from noghost.errors import BatchError

OK = 200


class Answers:
    """What is answered, and the file that it stands in. Any thread may append. Every method raises BatchError."""

    def __init__(self, path: Path, requests: Requests, *, resume: bool) -> None:
        self._file = Appending(path, resume=resume)
        self._lock = threading.Lock()
        self._closed = False
        self.instances: dict[str, str] = {}  # by custom_id, who answered
        self.computed: dict[str, str] = {}  # of those, whose answer a model computed: each has a receipt
        self.statuses: dict[int, int] = {}  # how many answers have it
        try:
            self._load({line.custom_id: line for line in requests.lines})
        except BaseException:
            self._file.close()
            raise

    def append(self, line: Line, answer: Answer) -> None:
        """Durable on return. Once it is closed, nothing happens."""
        response = {"status_code": answer.status, "request_id": answer.instance, "body": answer.body}
        told = {"id": line.id, "custom_id": line.custom_id, "response": response, "error": None}
        with self._lock:
            if self._closed:
                return
            assert line.custom_id not in self.instances, "a line is answered once"
            self._file.append(json.dumps(told).encode() + b"\n")
            self._keep(line.custom_id, response)

    def close(self) -> None:
        """Nothing is written from here on."""
        with self._lock:
            self._closed = True
            self._file.close()

    def _load(self, asked: dict[str, Line]) -> None:
        whole = 0
        for number, (end, data) in enumerate(self._file.lines(), 1):
            if not data.endswith(b"\n"):  # cut by a crash: it was not yet said to be there
                self._file.cut(whole)
                break
            custom_id, response = self._told(data, number, asked)
            if custom_id in self.instances:
                raise self._wrong(number, "it answers a request that has its answer already")
            self._keep(custom_id, response)
            whole = end

    def _told(self, data: bytes, number: int, asked: dict[str, Line]) -> tuple[str, dict[str, Any]]:
        try:
            told = json.loads(data)
            custom_id, name, response = told["custom_id"], told["id"], told["response"]
            int(response["status_code"]), str(response["request_id"])
        except (ValueError, TypeError, KeyError, RecursionError):
            raise self._wrong(number, "it is no answer of a batch") from None
        if custom_id not in asked or asked[custom_id].id != name:
            raise self._wrong(number, "it answers another request than this batch has: is it the output of another?")
        return custom_id, response

    def _keep(self, custom_id: str, response: dict[str, Any]) -> None:
        self.instances[custom_id] = response["request_id"]
        if response["status_code"] == OK:
            self.computed[custom_id] = response["request_id"]
        self.statuses[response["status_code"]] = self.statuses.get(response["status_code"], 0) + 1

    def _wrong(self, number: int, reason: str) -> BatchError:
        hint = "name another file with --out, or the input that this one is of; nothing was changed"
        return BatchError(f"could not go on with {self._file.path}, line {number}: {reason}", hint)
