"""A socket is listened to while that is wanted, and not otherwise."""

from __future__ import annotations

import select
import socket

from noghost.warden.ear import Ear


def test_a_knock_is_heard_while_it_is_wanted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, select.epoll() as poll:
        ear, other = Ear(listener), listener.fileno() + 1000
        with socket.create_connection(listener.getsockname()):
            heard = []
            for wanted in (False, True, True, False, False, True):
                ear.mind(poll, wanted=wanted)
                heard.append(bool(poll.poll(0)))
                assert (ear.hears(listener.fileno()), ear.hears(other)) == (wanted, False)
    assert heard == [False, True, True, False, False, True]


def test_one_that_is_closed_hears_nobody() -> None:
    with select.epoll() as poll:
        listener = socket.create_server(("127.0.0.1", 0))
        ear = Ear(listener)
        ear.mind(poll, wanted=True)
        ear.mind(poll, wanted=False)
        listener.close()
        assert not ear.hears(listener.fileno())
