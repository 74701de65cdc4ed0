"""What becomes of leases between claim and finish, on a real PostgreSQL, where the fence rules."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine, text

from plumbline_client.new_job import new_job
from storage.jobs import leases, ledger, outbox, quarantine
from storage.jobs.quarantine import Selection

ROW = text("SELECT * FROM plumbline.jobs WHERE id = :id")
HOLDS = text("SELECT lease_until > now() + interval '30 s' FROM plumbline.jobs WHERE id = :id")


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        yield connection


@pytest.fixture
def held(connection: Connection) -> list[tuple[uuid.UUID, int]]:
    """Two texts of one message, leased for 10 s."""
    jobs = [new_job(value, source="test", max_chars=100) for value in ("one", "two")]
    ledger.accept(connection, jobs)
    claimed = ledger.claim(connection, [], [job.id for job in jobs], 10.0)
    return [(lease.id, lease.fence) for lease in claimed]


def row(connection: Connection, job: uuid.UUID) -> dict[str, object]:
    return dict(connection.execute(ROW, {"id": job}).mappings().one())


def test_a_lease_is_renewed_by_who_holds_it_alone(
    connection: Connection, held: list[tuple[uuid.UUID, int]]
) -> None:
    (first, fence), (second, _) = held
    assert leases.renew(connection, [(first, fence), (second, fence - 1)], 60.0) == 1
    assert connection.execute(HOLDS, {"id": first}).scalar_one() is True
    assert connection.execute(HOLDS, {"id": second}).scalar_one() is False


def test_what_was_handed_back_was_never_tried_and_is_announced(
    engine: Engine, connection: Connection, held: list[tuple[uuid.UUID, int]]
) -> None:
    with outbox.listening(engine) as listener:
        assert leases.return_unstarted(connection, held) == 2
        assert listener.wait(5.0)
    for job, _ in held:
        found = row(connection, job)
        assert (found["state"], found["attempts"], found["published_at"]) == ("queued", 0, None)
        assert found["error"] is None and found["lease_until"] is None
    # They may travel together again, and whoever claims them has a newer fence.
    claimed = ledger.claim(connection, [], [job for job, _ in held], 10.0)
    assert len(claimed) == 2
    assert leases.return_unstarted(connection, held) == 0, "the old fence gives nothing back"


def test_what_was_lost_keeps_its_attempt_until_that_was_the_last(
    connection: Connection, held: list[tuple[uuid.UUID, int]]
) -> None:
    (job, fence), other = held
    assert leases.lost(connection, [(job, fence)], "it died", max_attempts=2) == 1
    found = row(connection, job)
    assert (found["state"], found["attempts"], found["error"]) == ("queued", 1, "it died")
    (again,) = ledger.claim(connection, [], [job], 10.0)
    assert leases.lost(connection, [(job, fence)], "late", max_attempts=2) == 0
    assert leases.lost(connection, [(job, again.fence)], "it died again", max_attempts=2) == 1
    found = row(connection, job)
    assert (found["state"], found["attempts"]) == ("quarantined", 2)
    assert found["error"] == "given up after 2 attempts: it died again"
    assert found["finished_at"] is not None
    assert row(connection, other[0])["state"] == "leased", "nobody else is touched"


def test_a_replayed_text_starts_anew_and_its_old_holder_cannot_finish_it(
    connection: Connection, held: list[tuple[uuid.UUID, int]]
) -> None:
    (job, fence), _ = held
    leases.lost(connection, [(job, fence)], "it died", max_attempts=1)
    assert quarantine.replay(connection, Selection([job], None)) == [job]
    found = row(connection, job)
    assert (found["state"], found["attempts"], found["error"]) == ("queued", 0, None)
    (again,) = ledger.claim(connection, [], [job], 10.0)
    assert again.fence > fence


def test_nothing_held_asks_nothing(connection: Connection) -> None:
    assert leases.return_unstarted(connection, []) == leases.lost(connection, [], "x", 1) == 0
