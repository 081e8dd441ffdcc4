"""The board: the reaper writes, instances read, and no instance can write."""

from __future__ import annotations

import mmap

import pytest

from instance.forked import in_child
from noghost.board import Board
from noghost.reaper.seats import Seats


def test_what_is_written_is_read_in_another_process() -> None:
    board = Board()
    board.write_taken(3)
    board.write_wiping(2)
    assert in_child(board.taken) == 3
    assert in_child(board.wiping) == 2


def test_after_forgetting_nothing_can_be_written() -> None:
    board = Board()
    board.forget_writing()
    with pytest.raises(AssertionError):
        board.write_taken(1)
    with pytest.raises(TypeError):
        board._readable[0] = 1


def test_the_seal_refuses_a_second_writable_mapping() -> None:
    def try_to_map() -> str:
        board = Board()
        with open("/proc/self/maps") as maps:  # noqa: PTH123
            line = next(one for one in maps if "noghost-board" in one)
        try:
            with open(f"/proc/self/map_files/{line.split()[0]}", "r+b") as file:  # noqa: PTH123
                mmap.mmap(file.fileno(), mmap.PAGESIZE)
        except PermissionError:
            return "refused"
        return "mapped" if board else ""

    assert in_child(try_to_map) == "refused"


def test_seats_first_come_first_served_and_given_back_by_an_end() -> None:
    board = Board()
    seats = Seats(1, board, 1)
    assert seats.want(1)
    assert not seats.want(2)
    assert not seats.want(3)
    assert board.taken() == 1
    assert seats.leave(2) is None, "one that stood in line leaves the line"
    assert seats.leave(1) == 3
    assert board.taken() == 1
    assert seats.leave(3) is None
    assert board.taken() == 0
    assert seats.leave(3) is None, "an end that is seen twice gives back nothing twice"
