"""Repeat an invocation from what its caller kept: the receipt, the request and the answer."""

from noghost.client.replay.kept import Kept, read_answer, read_request
from noghost.client.replay.replay import Asked, Result, replay

__all__ = ["Asked", "Kept", "Result", "read_answer", "read_request", "replay"]
