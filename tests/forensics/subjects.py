"""What is examined: how it is started in the guest, and how the host talks to it.

The host speaks through forwarded ports; what it says reaches the guest as network packets, or as characters on a
serial line, and is handed to the subject by the guest's kernel alone.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import httpx
from image import CODE, MODEL, SITE
from look import Said
from machine import ASK_PORT, GUEST, SERVICE_PORT, Machine, MachineError

from noghost.client.hunt import new_canary
from noghost.client.hunt.talk import exchange, first_model

ANSWER_TOKENS = 24
READY_S = 600.0
TALK_S = 900.0
HERE = f"{CODE}/tests/forensics"
PROMPT = "My case number is {}. Please tell me a long and unusual story about the day on which that number was lost."
ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "PYTHONPATH": f"{SITE}:{CODE}/src",
    "HOME": "/root",
    "LANG": "C.UTF-8",
}
NOGHOST = ["python3", "-m", "noghost.cli.main"]
LOG = "subject.log"

Look = Callable[[Said], None]
Talk = Callable[[Machine, Look], list[Said]]


@dataclass(frozen=True)
class Subject:
    """One kind of row. `talk` says canaries, and calls its second argument once in the middle of an answer."""

    name: str
    means: str
    talk: Talk


# --- services ---------------------------------------------------------------------------------------------------


def service(argv: list[str], *, tls: bool = False) -> Talk:
    """Start a server; three exchanges: streamed and looked at in the middle, whole, streamed."""

    def talk(guest: Machine, look: Look) -> list[Said]:
        ready(guest, guest.do("start", argv=argv, env=ENVIRONMENT, log=LOG))
        with client(guest, tls=tls) as caller:
            model = first_model(caller)
            said = [looked_at(caller, model, look)]
            for stream in (False, True):
                pair = exchange(caller, model, stream=stream, max_tokens=ANSWER_TOKENS)
                said.append(Said(pair.canary, pair.answer))
        return said

    return talk


def ready(guest: Machine, pid: int) -> None:
    """Until it says where it listens; MachineError with its log if it ends before."""
    deadline = time.monotonic() + READY_S
    while "listening on" not in (log := guest.do("read", path=f"/var/log/{LOG}")):
        if guest.do("ended", pid=pid) is not None or time.monotonic() > deadline:
            raise MachineError(f"the subject did not start: {log}")
        time.sleep(0.5)


@contextmanager
def client(guest: Machine, *, tls: bool) -> Iterator[httpx.Client]:
    """A caller on the host. A self-signed certificate is taken as it is: who listens is known here."""
    address = f"{'https' if tls else 'http'}://127.0.0.1:{guest.service_port}"
    host = {"Host": f"{GUEST}:{SERVICE_PORT}", "Connection": "close"}
    with httpx.Client(base_url=address, verify=False, timeout=TALK_S, trust_env=False, headers=host) as caller:
        yield caller


def looked_at(caller: httpx.Client, model: str, look: Look) -> Said:
    """A streamed exchange, with a look at memory after its first text."""
    canary = new_canary()
    pieces: list[str] = []
    body = {
        "model": model,
        "messages": [{"role": "user", "content": PROMPT.format(canary)}],
        "max_tokens": ANSWER_TOKENS,
        "stream": True,
    }
    with caller.stream("POST", "/v1/chat/completions", json=body) as response:
        response.raise_for_status()
        for text in texts(response):
            if not pieces:
                look(Said(canary))
            pieces.append(text)
    assert pieces, "there was no answer to look at"
    return Said(canary, "".join(pieces))


def texts(response: httpx.Response) -> Iterator[str]:
    """The text of each event that has one."""
    for line in response.iter_lines():
        data = line.removeprefix("data:").strip()
        if line.startswith("data:") and data != "[DONE]":
            for choice in json.loads(data).get("choices", ()):
                if text := choice["delta"].get("content"):
                    yield text


# --- ask --------------------------------------------------------------------------------------------------------

ASK = [*NOGHOST, "ask", "--model", f"{CODE}/{MODEL}", "--max-tokens", str(ANSWER_TOKENS), "--context", "2048"]


def ask_over_socket(guest: Machine, look: Look) -> list[Said]:
    """`noghost ask` with a connection as standard input and output, as inetd would start it."""
    guest.do("listen", port=ASK_PORT)
    with socket.create_connection(("127.0.0.1", guest.ask_port), TALK_S) as caller:
        pid = guest.do("accept", port=ASK_PORT, argv=ASK, env=ENVIRONMENT, log=LOG)
        canary = new_canary()
        caller.sendall(PROMPT.format(canary).encode())
        caller.shutdown(socket.SHUT_WR)
        answer = heard(guest, caller, pid, lambda: look(Said(canary)))
    return [Said(canary, answer)]


def ask_at_terminal(guest: Machine, look: Look) -> list[Said]:
    """`noghost ask` at a terminal, typed and ended with Ctrl-D; the terminal stays open afterwards."""
    with guest.terminal() as line:
        pid = guest.do("at_terminal", argv=ASK, env=ENVIRONMENT, log=LOG)
        canary = new_canary()
        line.sendall(PROMPT.format(canary).encode() + b"\n\x04")
        answer = heard(guest, line, pid, lambda: look(Said(canary)))
    return [Said(canary, answer.replace("\r\n", "\n"))]


def heard(guest: Machine, line: socket.socket, pid: int, look: Callable[[], None]) -> str:
    """The whole answer; `look` is called after its first bytes."""
    line.settimeout(1)
    deadline, received = time.monotonic() + TALK_S, b""
    while time.monotonic() < deadline:
        try:
            data = line.recv(65536)
        except TimeoutError:
            data = b""
        if data and not received:
            look()
        received += data
        if not data and guest.do("ended", pid=pid) is not None:
            assert received, guest.do("read", path=f"/var/log/{LOG}")
            return received.decode(errors="replace").strip()
    raise MachineError("ask did not end")


# --- the list ---------------------------------------------------------------------------------------------------

OPEN = ["--host", GUEST, "--port", str(SERVICE_PORT), "--context", "2048", "--insecure", "--no-keys"]
SERVE = [*NOGHOST, "serve", "--model", f"{CODE}/{MODEL}", *OPEN]
UNWIPED = ["python3", f"{HERE}/unwiped.py", f"{CODE}/{MODEL}", GUEST, str(SERVICE_PORT)]
STOCK = ["python3", f"{HERE}/stock_in_guest.py", f"{CODE}/{MODEL}", GUEST, str(SERVICE_PORT)]

SUBJECTS = (
    Subject("serve", "`noghost serve`, HTTP", service(SERVE)),
    Subject("serve-tls", "`noghost serve`, TLS", service([*SERVE, "--tls"], tls=True)),
    Subject("ask", "`noghost ask`, prompt and answer over a socket", ask_over_socket),
    Subject("ask-tty", "`noghost ask`, typed at a terminal", ask_at_terminal),
    Subject("unwiped-tls", "mutant: `noghost serve`, TLS, wipe off", service([*UNWIPED, "tls"], tls=True)),
    Subject("stock", "stock llama-server, HTTP", service(STOCK)),
)
