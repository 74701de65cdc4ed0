from __future__ import annotations

import os
import uuid

from plumbline.messages import MAX_JOBS
from worker.pool.in_flight import SLOTS, InFlightRecord, InFlightTable, Written


def leases(count: int) -> list[tuple[uuid.UUID, int]]:
    return [(uuid.uuid4(), fence) for fence in range(1, count + 1)]


def test_a_child_writes_and_its_parent_reads_after_its_death() -> None:
    slate, held = InFlightTable(), leases(MAX_JOBS)
    child = os.fork()
    if child == 0:
        slot = slate.slot(3)
        slot.take()
        slot.hold(held)
        slot.take_in_hand(7)
        os._exit(0)
    os.waitpid(child, 0)
    found = slate.of(child)
    assert found is not None
    assert found.read() == Written(held, 7)
    assert slate.of(child + 1) is None


def test_what_is_put_down_is_nobodys_fault_any_more() -> None:
    slot, held = InFlightRecord(), leases(2)
    slot.hold(held)
    slot.take_in_hand(1)
    slot.take_in_hand(None)
    assert slot.read() == Written(held, None)
    slot.clear()
    assert slot.read() == Written([], None)


def test_a_slot_ends_where_the_next_begins() -> None:
    slate = InFlightTable()
    first, second = leases(MAX_JOBS), leases(1)
    slate.slot(1).hold(second)
    slate.slot(0).hold(first)
    assert slate.slot(0).read().held == first
    assert slate.slot(1).read().held == second


def test_a_pool_larger_than_the_slate_writes_where_nobody_reads() -> None:
    beyond = InFlightTable().slot(SLOTS)
    beyond.hold(leases(1))
    assert beyond.read().in_hand is None
