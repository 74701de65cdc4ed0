from __future__ import annotations

import os

from worker.pool.drain import Drain


def test_a_child_sees_the_drain_that_its_parent_begins_after_the_fork() -> None:
    drain = Drain()
    receiver, sender = os.pipe()
    child = os.fork()
    if child == 0:
        os.read(receiver, 1)  # until the parent has begun the drain
        os._exit(0 if drain.begun() else 1)
    assert not drain.begun()
    drain.begin()
    os.write(sender, b"x")
    _, status = os.waitpid(child, 0)
    os.close(receiver)
    os.close(sender)
    assert os.waitstatus_to_exitcode(status) == 0


def test_drains_are_independent() -> None:
    first, second = Drain(), Drain()
    first.begin()
    assert (first.begun(), second.begun()) == (True, False)
