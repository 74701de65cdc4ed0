from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest

from plumbline_client.bounded_socket import BoundedSocket
from plumbline_client.deadline import time_limit

LIMIT_S = 0.05


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    here, there = socket.socketpair()
    with here, there:
        yield here, there


def test_a_reply_ends_with_the_limit_however_many_pieces_arrive(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    here, there = pair
    bounded = BoundedSocket(here, LIMIT_S)
    bounded.sendall(b"PING")
    assert there.recv(4) == b"PING"

    def read_for_ever() -> None:
        while True:
            there.sendall(b"+")
            bounded.recv(1)

    with pytest.raises(TimeoutError):
        read_for_ever()


def test_the_next_command_has_the_whole_limit(pair: tuple[socket.socket, socket.socket]) -> None:
    here, there = pair
    bounded, buffer = BoundedSocket(here, LIMIT_S), bytearray(8)
    bounded.sendall(b"PING")
    with pytest.raises(TimeoutError):
        bounded.recv(1)
    bounded.sendall(b"PING")
    there.sendall(b"+OK")
    assert bounded.recv_into(buffer) == 3


def test_the_end_of_a_call_counts_if_it_is_earlier(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    bounded = BoundedSocket(pair[0], 600.0)
    with time_limit(0.0), pytest.raises(TimeoutError):
        bounded.recv(1)


def test_a_timeout_of_zero_asks_without_waiting(pair: tuple[socket.socket, socket.socket]) -> None:
    bounded = BoundedSocket(pair[0], LIMIT_S)
    bounded.settimeout(0)
    with pytest.raises(BlockingIOError):
        bounded.recv(1)
    assert bounded.fileno() == pair[0].fileno()
