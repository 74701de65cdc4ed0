from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from plumbline_client.errors import DatabaseUnavailable
from storage.rejected_messages import RejectedMessage
from tests.waiting import eventually
from worker.broker import rejected_messages
from worker.broker.rejected_messages import RejectionWriter
from worker.telemetry import metrics


def row(number: int) -> RejectedMessage:
    return RejectedMessage(queue="plumbline.score", reason=f"reason {number}")


class Recorder(RejectionWriter):
    """Writes to a list instead of PostgreSQL, if that is not away."""

    def __init__(self) -> None:
        super().__init__()
        self.written: list[RejectedMessage] = []
        self.available = threading.Event()
        self.attempts = 0

    def _write(self, database_url: str, batch: list[RejectedMessage]) -> None:
        self.attempts += 1
        if not self.available.is_set():
            raise DatabaseUnavailable("PostgreSQL cannot be reached.")
        self.written.extend(batch)


@pytest.fixture
def writer() -> Iterator[Recorder]:
    recorder = Recorder()
    yield recorder
    recorder.close()


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One entry per row that is only counted."""
    counted: list[int] = []
    monkeypatch.setattr(metrics, "count_unrecorded_rejection", lambda: counted.append(1))
    return counted


def test_rows_wait_until_the_writer_starts(writer: Recorder, lost: list[int]) -> None:
    rows = [row(number) for number in range(3)]
    for each in rows:
        writer.add(each)
    writer.available.set()
    writer.start("")
    eventually(lambda: writer.written == rows, 10.0)
    assert lost == []


def test_rows_wait_for_a_database_that_is_away(writer: Recorder, lost: list[int]) -> None:
    writer.start("")
    writer.add(row(1))
    eventually(lambda: writer.attempts >= 1, 10.0)
    writer.add(row(2))
    writer.available.set()
    eventually(lambda: writer.written == [row(1), row(2)], 20.0)
    assert lost == []


def test_rows_beyond_the_longest_queue_are_counted(
    lost: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rejected_messages, "LONGEST_QUEUE", 2)
    writer = Recorder()
    for number in range(5):
        writer.add(row(number))
    assert len(lost) == 3
    writer.close()
    assert len(lost) == 5, "it never started, so no row is written"


def test_a_writer_that_ends_writes_what_waits(writer: Recorder, lost: list[int]) -> None:
    writer.available.set()
    writer.start("")
    writer.add(row(1))
    writer.close()
    assert writer.written == [row(1)] and lost == []


def test_a_writer_that_ends_without_a_database_counts_its_rows(
    writer: Recorder, lost: list[int]
) -> None:
    writer.start("")
    for number in range(3):
        writer.add(row(number))
    eventually(lambda: writer.attempts >= 1, 10.0)
    writer.close()
    eventually(lambda: len(lost) == 3, 10.0)
    attempts = writer.attempts
    assert writer.written == [] and attempts < 20, "it must not try without a pause"
