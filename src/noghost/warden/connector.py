"""Open connections to the configured upstreams, to nobody else. In the connector, from its fork to the service's end.

The other processes of a service have no network. This one stays in the host's: it is forked before the warden leaves
it, and holds a list of hosts and ports and a socket on which the reaper asks. What it opens it hands to the instance
for which it was asked, unread; TLS ends there.

Covered: nothing that it is told is more than a number and the line on which to answer, so nobody can name a host to
it; what is no such message is dropped. The names are looked up here, where no content is. It sleeps until it is asked.
Not covered: that the name of the host leads to its owner (the instance checks the certificate); the resolver, who
sees when a host is asked for; what the kernel holds of a connection, which is ciphertext.
"""

from __future__ import annotations

import gc
import os
import signal
import socket
import threading
from collections.abc import Sequence
from contextlib import suppress

from noghost.instance.sandbox import give_up_rights
from noghost.messages import MAX_BYTES, Answer, Connected, Dial, pack, unpack
from noghost.reaper.fork import fork_role
from noghost.reaper.spawn import OUTLIVED, connected
from noghost.title import take_title
from noghost.upstream import Upstream

CONNECT_S = 10.0  # for each address of a host

Place = tuple[str, int]  # host, port


def start_connector(upstreams: Sequence[Upstream], shut: tuple[socket.socket, ...]) -> socket.socket | None:
    """Fork it, where there are upstreams; the end for the reaper, which asks. In the warden, still in the host's
    network. `shut`: what is the warden's alone."""
    if not upstreams:
        return None
    here, there = connected()
    places = [(upstream.host, upstream.port) for upstream in upstreams]
    fork_role(lambda: be_the_connector(places, there), (here, *shut))
    there.close()
    return here


def be_the_connector(places: Sequence[Place], asked: socket.socket) -> None:
    """Until the reaper is gone, who ends last."""
    take_title("noghost: connector")
    for number in OUTLIVED:
        signal.signal(number, signal.SIG_IGN)
    give_up_rights()
    gc.freeze()
    gc.enable()  # the warden, whose fork this is, has it off while it loads
    serve_connections(places, asked)


def serve_connections(places: Sequence[Place], asked: socket.socket) -> None:
    """One thread for each connection that is asked for, since a name may take long to be found."""
    while True:
        data, lines = b"", list[int]()
        with suppress(ConnectionResetError):
            data, lines, _, _ = socket.recv_fds(asked, MAX_BYTES, 1)
        if not data:
            return
        place = place_of(data, places)
        if place is None or not lines:
            for line in lines:
                os.close(line)
            continue
        threading.Thread(target=answer, args=(place, lines[0]), daemon=True).start()


def place_of(data: bytes, places: Sequence[Place]) -> Place | None:
    """Which of the configured ones is asked for; None where it is none of them."""
    try:
        return places[unpack(data, Dial).upstream]
    except (ValueError, IndexError):
        return None


def answer(place: Place, line: int) -> None:
    """Connect, and hand the connection to the instance at the other end of `line`; or say why there is none."""
    with socket.socket(fileno=line) as instance, suppress(OSError):  # one that has ended does not listen
        try:
            connection = socket.create_connection(place, CONNECT_S)
        except TimeoutError:
            instance.send(pack(Connected(Answer.LATE)), socket.MSG_DONTWAIT)
        except OSError:
            instance.send(pack(Connected(Answer.UNREACHABLE)), socket.MSG_DONTWAIT)
        else:
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                message = [pack(Connected(Answer.YES))]
                socket.send_fds(instance, message, [connection.fileno()], socket.MSG_DONTWAIT)
