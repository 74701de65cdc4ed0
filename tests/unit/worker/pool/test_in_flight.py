from __future__ import annotations

import os
import uuid
from time import monotonic

from plumbline.messages import MAX_JOBS
from worker.pool.in_flight import (
    IDLE_AFTER_S,
    RECORDS,
    InFlight,
    InFlightRecord,
    InFlightTable,
)


def make_leases(count: int) -> list[tuple[uuid.UUID, int]]:
    return [(uuid.uuid4(), fence) for fence in range(1, count + 1)]


def test_the_parent_reads_the_record_of_a_dead_child() -> None:
    table, leases = InFlightTable(), make_leases(MAX_JOBS)
    child = os.fork()
    if child == 0:
        record = table.record(3)
        record.claim()
        record.record_leases(leases)
        record.set_scoring(7)
        os._exit(0)
    os.waitpid(child, 0)
    record_of_child = table.for_pid(child)
    assert record_of_child is not None
    assert record_of_child.read() == InFlight(leases, 7)
    assert table.for_pid(child + 1) is None


def test_a_finished_text_is_no_longer_recorded_as_being_scored() -> None:
    record, leases = InFlightRecord(), make_leases(2)
    record.record_leases(leases)
    record.set_scoring(1)
    record.set_scoring(None)
    assert record.read() == InFlight(leases, None)
    record.clear()
    assert record.read() == InFlight([], None)


def test_a_sibling_is_busy_with_texts_and_for_a_moment_after_them() -> None:
    table, now = InFlightTable(), monotonic()
    assert table.busy_siblings(os.getpid(), now) == 0
    table.record(0).claim()
    assert table.busy_siblings(os.getpid() + 1, now) == 0, "it has had no texts yet"
    table.record(0).record_leases(make_leases(1))
    assert table.busy_siblings(os.getpid() + 1, now + 1000) == 1
    assert table.busy_siblings(os.getpid(), now) == 0, "a process is not its own sibling"
    table.record(0).clear()
    assert table.busy_siblings(os.getpid() + 1, now) == 1
    assert table.busy_siblings(os.getpid() + 1, monotonic() + IDLE_AFTER_S) == 0


def test_records_do_not_overlap() -> None:
    table = InFlightTable()
    first, second = make_leases(MAX_JOBS), make_leases(1)
    table.record(1).record_leases(second)
    table.record(0).record_leases(first)
    assert table.record(0).read().leases == first
    assert table.record(1).read().leases == second


def test_a_pool_larger_than_the_table_uses_private_records() -> None:
    beyond = InFlightTable().record(RECORDS)
    beyond.record_leases(make_leases(1))
    assert beyond.read().scoring is None
