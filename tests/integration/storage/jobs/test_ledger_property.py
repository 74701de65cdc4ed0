"""The ledger under any order of events: Hypothesis calls every function on a real PostgreSQL.

One transaction may stay open while others run, and may be rolled back, as when a process or the
server dies before its commit. Leases and deadlines expire because a rule changes the row.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Connection, Engine, RootTransaction, create_engine, text
from sqlalchemy.exc import OperationalError

from plumbline_client.database_url import DatabaseUrl
from plumbline_client.identity import keyed_id
from plumbline_client.new_job import NewJob, new_job
from plumbline_client.states import TERMINAL, JobState
from storage.database import sqlalchemy_url
from storage.jobs import leases, outbox
from storage.jobs.claim import Lease, claim
from storage.jobs.finish import finish, reject
from storage.jobs.predictions import NewPrediction
from storage.jobs.sweep import sweep
from tests import ledger
from tests.predictions import new_prediction

MAX_ATTEMPTS = 3
LEASE_S = 600.0
LOCK_NOT_AVAILABLE = "55P03"
# Few jobs, so that events often concern the same one.
NUMBERS = st.integers(0, 7)
REFUSED = 6
WITH_DEADLINE = (4, 5)
FOLLOWS = {
    None: set(JobState) - {JobState.QUARANTINED, JobState.CANCELLED},
    JobState.QUEUED: {JobState.LEASED, JobState.EXPIRED, JobState.QUARANTINED, JobState.CANCELLED},
    JobState.LEASED: set(JobState) - {JobState.CANCELLED},
}


@dataclass(slots=True)
class Open:
    """A transaction that has done its work and is not committed yet."""

    connection: Connection
    transaction: RootTransaction
    leases: list[Lease]
    finished: set[uuid.UUID]


def identity(number: int) -> uuid.UUID:
    return keyed_id("property", str(number))


def job(number: int) -> NewJob:
    deadline = datetime.now(UTC) + timedelta(hours=1) if number in WITH_DEADLINE else None
    value = " " if number == REFUSED else f"text {number}"
    return new_job(value, source="property", max_chars=100, key=str(number), deadline=deadline)


def prediction(lease: Lease) -> NewPrediction:
    # The probability identifies the claim.
    return new_prediction(lease, probability=1.0 / (1.0 + lease.fence))


class LedgerMachine(RuleBasedStateMachine):
    engine: ClassVar[Engine]

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.open: Open | None = None
        self.accepted: set[uuid.UUID] = set()
        self.finished: Counter[uuid.UUID] = Counter()
        self.jobs: dict[uuid.UUID, dict[str, Any]] = {}
        self.predictions: list[dict[str, Any]] = []

    @initialize()
    def empty(self) -> None:
        with self.engine.begin() as connection:
            connection.execute(text("DELETE FROM plumbline.predictions"))
            connection.execute(text("DELETE FROM plumbline.jobs"))

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=4))
    def accept(self, numbers: list[int]) -> None:
        with self.transaction() as connection:
            new = ledger.accept(connection, [job(number) for number in numbers])
            assert new.isdisjoint(self.jobs)
            self.accepted |= new

    @rule(
        target=held,
        numbers=st.lists(NUMBERS, min_size=1, max_size=4),
        with_texts=st.booleans(),
    )
    def claim(self, numbers: list[int], with_texts: bool) -> Any:
        claimed: list[Lease] = []
        with self.transaction() as connection:
            claimed = claim_numbers(connection, numbers, with_texts)
            expected = self.claimable(numbers, with_texts)
            ids = {lease.id for lease in claimed}
            assert ids == expected if self.open is None else ids <= expected
        return multiple(*claimed)

    @rule(held=st.lists(held, min_size=1, max_size=4))
    def finish(self, held: list[Lease]) -> None:
        with self.transaction() as connection:
            finished = finish(connection, [prediction(lease) for lease in newest(held)])
            assert finished == {lease.id for lease in newest(held) if self.is_held(lease)}
            self.finished.update(finished)

    @rule(lease=held)
    def release(self, lease: Lease) -> None:
        with self.transaction() as connection:
            leases.release(connection, lease, "it failed", MAX_ATTEMPTS)

    @rule(target=held, number=NUMBERS)
    def fail(self, number: int) -> Any:
        """Claim one text and release it, like a worker that cannot score it."""
        claimed: list[Lease] = []
        with self.transaction() as connection:
            claimed = claim_numbers(connection, [number], with_texts=False)
        for lease in claimed:
            self.release(lease)
        return multiple(*claimed)

    @rule(lease=consumes(held))
    def reject(self, lease: Lease) -> None:
        with self.transaction() as connection:
            reject(connection, lease, "it cannot be scored")

    @rule(held=st.lists(held, min_size=1, max_size=4))
    def renew(self, held: list[Lease]) -> None:
        with self.transaction() as connection:
            renewed = leases.renew(connection, pairs(held), LEASE_S)
            assert renewed == sum(self.is_held(lease) for lease in newest(held))

    @rule(held=st.lists(held, min_size=1, max_size=4))
    def return_unstarted(self, held: list[Lease]) -> None:
        with self.transaction() as connection:
            leases.return_unstarted(connection, pairs(held))

    @rule(held=st.lists(held, min_size=1, max_size=4))
    def lose(self, held: list[Lease]) -> None:
        with self.transaction() as connection:
            leases.release_lost(connection, pairs(held), "its worker died", MAX_ATTEMPTS)

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=2))
    def cancel(self, numbers: list[int]) -> None:
        with self.transaction() as connection:
            ended = ledger.cancel(connection, [identity(n) for n in numbers], "not wanted")
            assert all(self.jobs[i]["state"] == JobState.QUEUED for i in ended)

    @rule()
    def relay(self) -> None:
        with self.transaction() as connection:
            due = outbox.take_due_jobs(connection, max_attempts=MAX_ATTEMPTS, limit=100)
            assert all(self.jobs[i]["published_at"] is None for i in due.fresh + due.suspects)

    @rule(limit=st.sampled_from([0, 1, 100]), republish_after_s=st.sampled_from([0.0, 3600.0]))
    def sweep(self, limit: int, republish_after_s: float) -> None:
        with self.transaction() as connection:
            result = sweep(
                connection,
                max_attempts=MAX_ATTEMPTS,
                republish_after_s=republish_after_s,
                limit=limit,
            )
            if result is not None:
                assert all(self.jobs[i]["attempts"] == 0 for i in result.fresh)
                assert all(self.jobs[i]["attempts"] > 0 for i in result.suspects)

    @rule(number=NUMBERS)
    def expire_lease(self, number: int) -> None:
        self.change("lease_until = now() - interval '1 s'", "state = 'leased'", number)

    @rule(number=st.sampled_from(WITH_DEADLINE))
    def pass_deadline(self, number: int) -> None:
        self.change("deadline = now() - interval '1 s'", "state IN ('queued', 'leased')", number)

    @precondition(lambda self: self.open is None)
    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=4), with_texts=st.booleans())
    def claim_without_commit(self, numbers: list[int], with_texts: bool) -> None:
        self.keep_open(lambda connection: (claim_numbers(connection, numbers, with_texts), set()))

    @precondition(lambda self: self.open is None)
    @rule(held=st.lists(held, min_size=1, max_size=4))
    def finish_without_commit(self, held: list[Lease]) -> None:
        predictions = [prediction(lease) for lease in newest(held)]
        self.keep_open(lambda connection: ([], finish(connection, predictions)))

    @precondition(lambda self: self.open is None)
    @rule()
    def sweep_without_commit(self) -> None:
        def run(connection: Connection) -> tuple[list[Lease], set[uuid.UUID]]:
            sweep(connection, max_attempts=MAX_ATTEMPTS, republish_after_s=0.0, limit=100)
            return [], set()

        self.keep_open(run)

    @precondition(lambda self: self.open is not None)
    @rule(target=held)
    def commit(self) -> Any:
        assert self.open is not None
        committed, self.open = self.open, None
        committed.transaction.commit()
        committed.connection.close()
        self.finished.update(committed.finished)
        return multiple(*committed.leases)

    @precondition(lambda self: self.open is not None)
    @rule()
    def die_before_the_commit(self) -> None:
        assert self.open is not None
        lost, self.open = self.open, None
        lost.transaction.rollback()
        lost.connection.close()

    @invariant()
    def the_promise_holds(self) -> None:
        jobs_before, predictions_before = self.jobs, self.predictions
        self.read_committed()
        assert self.accepted <= self.jobs.keys(), "an accepted job is not in the ledger"
        for job_id, row in self.jobs.items():
            check_transition(jobs_before.get(job_id), row)
        assert jobs_before.keys() <= self.jobs.keys(), "a job vanished"
        assert all(row in self.predictions for row in predictions_before), "a prediction changed"
        live = Counter(row["job_id"] for row in self.predictions)
        scored = {i for i, row in self.jobs.items() if row["state"] == JobState.SCORED}
        assert live == Counter(scored), "a scored job does not have exactly one live prediction"
        assert self.finished == Counter(scored), "`finish` returned other jobs to the worker"
        for row in self.predictions:
            fence = self.jobs[row["job_id"]]["fence"]
            assert row["probability"] == 1.0 / (1.0 + fence), "an outdated lease was finished"

    def teardown(self) -> None:
        if self.open is not None:
            self.open.transaction.rollback()
            self.open.connection.close()

    def claimable(self, numbers: list[int], with_texts: bool) -> set[uuid.UUID]:
        """Return the jobs that a claim must lease according to the committed rows."""
        alone = len(set(numbers)) == 1
        claimable = set()
        for number in set(numbers):
            row = self.jobs.get(identity(number))
            if row is None:
                fits = with_texts and number != REFUSED
            else:
                late = row["deadline"] is not None and row["deadline"] <= datetime.now(UTC)
                fits = row["state"] == JobState.QUEUED and (alone or not row["attempts"])
                fits = fits and not late
            if fits:
                claimable.add(identity(number))
        return claimable

    def is_held(self, lease: Lease) -> bool:
        row = self.jobs[lease.id]
        return bool(row["state"] == JobState.LEASED and row["fence"] == lease.fence)

    def change(self, assignment: str, condition: str, number: int) -> None:
        with self.transaction() as connection:
            connection.execute(
                text(f"UPDATE plumbline.jobs SET {assignment} WHERE id = :id AND {condition}"),
                {"id": identity(number)},
            )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Begin a transaction that is rolled back if the open one holds a lock it needs."""
        try:
            with self.engine.begin() as connection:
                connection.execute(text("SET LOCAL lock_timeout = '20ms'"))
                yield connection
        except OperationalError as error:
            blocked = getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE
            if self.open is None or not blocked:
                raise

    def keep_open(self, work: Callable[[Connection], tuple[list[Lease], set[uuid.UUID]]]) -> None:
        connection = self.engine.connect()
        transaction = connection.begin()
        self.open = Open(connection, transaction, *work(connection))

    def read_committed(self) -> None:
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT * FROM plumbline.jobs")).mappings()
            self.jobs = {row["id"]: dict(row) for row in rows}
            rows = connection.execute(
                text("SELECT * FROM plumbline.predictions WHERE role = 'live'")
            ).mappings()
            self.predictions = [dict(row) for row in rows]


def claim_numbers(connection: Connection, numbers: list[int], with_texts: bool) -> list[Lease]:
    arriving = [job(number) for number in numbers] if with_texts else []
    known = [] if with_texts else [identity(number) for number in numbers]
    return claim(connection, arriving, known, LEASE_S)


def pairs(held: list[Lease]) -> list[tuple[uuid.UUID, int]]:
    return [(lease.id, lease.fence) for lease in newest(held)]


def newest(held: list[Lease]) -> list[Lease]:
    """Return the newest lease per job, because a worker holds one lease per job."""
    return list({lease.id: lease for lease in sorted(held, key=lambda lease: lease.fence)}.values())


def check_transition(before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    """Check one job's change against the state diagram."""
    state = JobState(before["state"]) if before is not None else None
    if state in TERMINAL:
        assert after == before, f"a {state} job changed"
    else:
        allowed = FOLLOWS[state] | ({state} if state is not None else set())
        assert after["state"] in allowed, f"{state} became {after['state']}"
    assert 0 <= after["attempts"] <= MAX_ATTEMPTS, "the job was tried more often than allowed"
    if before is not None:
        assert after["fence"] >= before["fence"], "the fence decreased"
    ended = JobState(after["state"]) in TERMINAL
    assert ended == (after["finished_at"] is not None)
    assert (after["state"] == JobState.LEASED) == (after["lease_until"] is not None)
    assert after["state"] == JobState.SCORED or not ended or after["error"]


@pytest.fixture
def fast_engine(database_url: str) -> Iterator[Engine]:
    """Make an engine whose commits do not wait for the disk, so that more orders are tried."""
    url = sqlalchemy_url(DatabaseUrl.parse(database_url))
    engine = create_engine(url, connect_args={"options": "-c synchronous_commit=off"})
    yield engine
    engine.dispose()


def test_promise_holds_under_any_order_of_events(fast_engine: Engine) -> None:
    LedgerMachine.engine = fast_engine
    run_state_machine_as_test(
        LedgerMachine,
        settings=settings(
            max_examples=120,
            stateful_step_count=40,
            derandomize=True,
            deadline=None,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
