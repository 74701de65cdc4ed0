from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator

import pytest

from worker.pool import process
from worker.pool.in_flight import InFlightRecord
from worker.pool.process import Guards, current_process
from worker.pool.watchdog import Watchdog


@pytest.fixture
def guards() -> Iterator[Guards]:
    """Guards whose time limit is too long to pass."""
    guards = Guards(in_flight=InFlightRecord(), watchdog=Watchdog(60.0))
    yield guards
    guards.watchdog.disarm()


def alarm_in_s() -> float:
    return signal.getitimer(signal.ITIMER_REAL)[0]


def test_the_text_being_scored_is_recorded_and_limited_until_it_ends(guards: Guards) -> None:
    guards.in_flight.record_leases([(uuid.uuid4(), 1), (uuid.uuid4(), 1)])
    guards.begin_text(1)
    assert guards.in_flight.read().scoring == 1
    assert 0.0 < alarm_in_s() <= 60.0
    guards.end_text()
    assert guards.in_flight.read().scoring is None
    assert alarm_in_s() == 0.0


def test_a_process_that_was_not_started_has_no_resources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process, "_current", None)
    with pytest.raises(AssertionError, match="start_process must run first"):
        current_process()
