"""The ledger under any order of events: hypothesis drives every verb against a real PostgreSQL.

One transaction may stand open while the others go on, and may be rolled back, as when a process
or the server dies before its commit. Leases and deadlines run out by decree, never by waiting.
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

from plumbline_client.identity import keyed_id
from plumbline_client.new_job import NewJob, new_job
from plumbline_client.states import TERMINAL, JobState
from storage.database import database_url as with_driver
from storage.jobs import leases, ledger, outbox
from storage.jobs.ledger import Lease, NewPrediction
from storage.jobs.sweep import sweep
from tests.answers import answer as some_answer

MAX_ATTEMPTS = 3
LEASE_S = 600.0
LOCK_NOT_AVAILABLE = "55P03"
# So few jobs that the events keep meeting one another.
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
    """A transaction that did its work and is not committed yet."""

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


def answer(lease: Lease) -> NewPrediction:
    # Tells which claim it belongs to.
    return some_answer(lease, probability=1.0 / (1.0 + lease.fence))


class LedgerMachine(RuleBasedStateMachine):
    engine: ClassVar[Engine]

    held = Bundle("held")

    def __init__(self) -> None:
        super().__init__()
        self.open: Open | None = None
        self.accepted: set[uuid.UUID] = set()
        self.finished: Counter[uuid.UUID] = Counter()
        self.jobs: dict[uuid.UUID, dict[str, Any]] = {}
        self.answers: list[dict[str, Any]] = []

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
        brings_texts=st.booleans(),
    )
    def claim(self, numbers: list[int], brings_texts: bool) -> Any:
        found: list[Lease] = []
        with self.transaction() as connection:
            found = self.claimed(connection, numbers, brings_texts)
            expected = self.claimable(numbers, brings_texts)
            got = {lease.id for lease in found}
            assert got == expected if self.open is None else got <= expected
        return multiple(*found)

    @rule(held=st.lists(held, min_size=1, max_size=4))
    def finish(self, held: list[Lease]) -> None:
        with self.transaction() as connection:
            done = ledger.finish(connection, [answer(lease) for lease in newest(held)])
            assert done == {lease.id for lease in newest(held) if self.is_held(lease)}
            self.finished.update(done)

    @rule(lease=held)
    def release(self, lease: Lease) -> None:
        with self.transaction() as connection:
            ledger.release(connection, lease, "it failed", MAX_ATTEMPTS)

    @rule(target=held, number=NUMBERS)
    def fail(self, number: int) -> Any:
        """A worker that is told of one text, and cannot score it now."""
        found: list[Lease] = []
        with self.transaction() as connection:
            found = self.claimed(connection, [number], False)
        for lease in found:
            self.release(lease)
        return multiple(*found)

    @rule(lease=consumes(held))
    def reject(self, lease: Lease) -> None:
        with self.transaction() as connection:
            ledger.reject(connection, lease, "it cannot be scored")

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
            leases.lost(connection, pairs(held), "its worker died", MAX_ATTEMPTS)

    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=2))
    def cancel(self, numbers: list[int]) -> None:
        with self.transaction() as connection:
            ended = ledger.cancel(connection, [identity(n) for n in numbers], "not wanted")
            assert all(self.jobs[i]["state"] == JobState.QUEUED for i in ended)

    @rule()
    def relay(self) -> None:
        with self.transaction() as connection:
            due = outbox.take(connection, max_attempts=MAX_ATTEMPTS, most=100)
            assert all(self.jobs[i]["published_at"] is None for i in due.fresh + due.suspects)

    @rule(most=st.sampled_from([0, 1, 100]), republish_after_s=st.sampled_from([0.0, 3600.0]))
    def sweep(self, most: int, republish_after_s: float) -> None:
        with self.transaction() as connection:
            swept = sweep(
                connection,
                max_attempts=MAX_ATTEMPTS,
                republish_after_s=republish_after_s,
                most=most,
            )
            if swept is not None:
                assert all(self.jobs[i]["attempts"] == 0 for i in swept.fresh)
                assert all(self.jobs[i]["attempts"] > 0 for i in swept.suspects)

    @rule(number=NUMBERS)
    def the_lease_runs_out(self, number: int) -> None:
        self.decree("lease_until = now() - interval '1 s'", "state = 'leased'", number)

    @rule(number=st.sampled_from(WITH_DEADLINE))
    def the_deadline_passes(self, number: int) -> None:
        self.decree("deadline = now() - interval '1 s'", "state IN ('queued', 'leased')", number)

    @precondition(lambda self: self.open is None)
    @rule(numbers=st.lists(NUMBERS, min_size=1, max_size=4), brings_texts=st.booleans())
    def claim_and_hold(self, numbers: list[int], brings_texts: bool) -> None:
        self.hold(lambda connection: (self.claimed(connection, numbers, brings_texts), set()))

    @precondition(lambda self: self.open is None)
    @rule(held=st.lists(held, min_size=1, max_size=4))
    def finish_and_hold(self, held: list[Lease]) -> None:
        answers = [answer(lease) for lease in newest(held)]
        self.hold(lambda connection: ([], ledger.finish(connection, answers)))

    @precondition(lambda self: self.open is None)
    @rule()
    def sweep_and_hold(self) -> None:
        def swept(connection: Connection) -> tuple[list[Lease], set[uuid.UUID]]:
            sweep(connection, max_attempts=MAX_ATTEMPTS, republish_after_s=0.0, most=100)
            return [], set()

        self.hold(swept)

    @precondition(lambda self: self.open is not None)
    @rule(target=held)
    def commit(self) -> Any:
        assert self.open is not None
        held, self.open = self.open, None
        held.transaction.commit()
        held.connection.close()
        self.finished.update(held.finished)
        return multiple(*held.leases)

    @precondition(lambda self: self.open is not None)
    @rule()
    def die_before_the_commit(self) -> None:
        assert self.open is not None
        held, self.open = self.open, None
        held.transaction.rollback()
        held.connection.close()

    @invariant()
    def the_promise_holds(self) -> None:
        before, answers_before = self.jobs, self.answers
        self.look()
        assert self.accepted <= self.jobs.keys(), "an accepted job is not in the ledger"
        for job_id, row in self.jobs.items():
            check_step(before.get(job_id), row)
        assert before.keys() <= self.jobs.keys(), "a job vanished"
        assert all(row in self.answers for row in answers_before), "a prediction changed"
        live = Counter(row["job_id"] for row in self.answers)
        scored = {i for i, row in self.jobs.items() if row["state"] == JobState.SCORED}
        assert live == Counter(scored), "a scored job has not exactly one live prediction"
        assert self.finished == Counter(scored), "the worker was told something else"
        for row in self.answers:
            fence = self.jobs[row["job_id"]]["fence"]
            assert row["probability"] == 1.0 / (1.0 + fence), "an old claim's answer was written"

    def teardown(self) -> None:
        if self.open is not None:
            self.open.transaction.rollback()
            self.open.connection.close()

    def claimed(
        self, connection: Connection, numbers: list[int], brings_texts: bool
    ) -> list[Lease]:
        arriving = [job(number) for number in numbers] if brings_texts else []
        known = [] if brings_texts else [identity(number) for number in numbers]
        return ledger.claim(connection, arriving, known, LEASE_S)

    def claimable(self, numbers: list[int], brings_texts: bool) -> set[uuid.UUID]:
        """What a claim of these must lease, by what is committed."""
        alone = len(set(numbers)) == 1
        found = set()
        for number in set(numbers):
            row = self.jobs.get(identity(number))
            if row is None:
                fits = brings_texts and number != REFUSED
            else:
                late = row["deadline"] is not None and row["deadline"] <= datetime.now(UTC)
                fits = row["state"] == JobState.QUEUED and (alone or not row["attempts"])
                fits = fits and not late
            if fits:
                found.add(identity(number))
        return found

    def is_held(self, lease: Lease) -> bool:
        row = self.jobs[lease.id]
        return bool(row["state"] == JobState.LEASED and row["fence"] == lease.fence)

    def decree(self, change: str, where: str, number: int) -> None:
        with self.transaction() as connection:
            connection.execute(
                text(f"UPDATE plumbline.jobs SET {change} WHERE id = :id AND {where}"),
                {"id": identity(number)},
            )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction that gives up, changing nothing, where the open one stands in its way."""
        try:
            with self.engine.begin() as connection:
                connection.execute(text("SET LOCAL lock_timeout = '20ms'"))
                yield connection
        except OperationalError as error:
            blocked = getattr(error.orig, "sqlstate", None) == LOCK_NOT_AVAILABLE
            if self.open is None or not blocked:
                raise

    def hold(self, work: Callable[[Connection], tuple[list[Lease], set[uuid.UUID]]]) -> None:
        connection = self.engine.connect()
        transaction = connection.begin()
        self.open = Open(connection, transaction, *work(connection))

    def look(self) -> None:
        """Read what is committed."""
        with self.engine.connect() as connection:
            rows = connection.execute(text("SELECT * FROM plumbline.jobs")).mappings()
            self.jobs = {row["id"]: dict(row) for row in rows}
            rows = connection.execute(
                text("SELECT * FROM plumbline.predictions WHERE role = 'live'")
            ).mappings()
            self.answers = [dict(row) for row in rows]


def pairs(held: list[Lease]) -> list[tuple[uuid.UUID, int]]:
    return [(lease.id, lease.fence) for lease in newest(held)]


def newest(held: list[Lease]) -> list[Lease]:
    """One lease a job, as one worker holds them."""
    return list({lease.id: lease for lease in sorted(held, key=lambda lease: lease.fence)}.values())


def check_step(before: dict[str, Any] | None, after: dict[str, Any]) -> None:
    """Hold one job's change against the state diagram."""
    state = JobState(before["state"]) if before is not None else None
    if state in TERMINAL:
        assert after == before, f"a {state} job changed"
    else:
        allowed = FOLLOWS[state] | ({state} if state is not None else set())
        assert after["state"] in allowed, f"{state} became {after['state']}"
    assert 0 <= after["attempts"] <= MAX_ATTEMPTS, "tried more often than allowed"
    if before is not None:
        assert after["fence"] >= before["fence"], "a fence went back"
    ended = JobState(after["state"]) in TERMINAL
    assert ended == (after["finished_at"] is not None)
    assert (after["state"] == JobState.LEASED) == (after["lease_until"] is not None)
    assert after["state"] == JobState.SCORED or not ended or after["error"]


@pytest.fixture
def fast_engine(database_url: str) -> Iterator[Engine]:
    """Commits do not wait for the disk: no server dies here, and more orders are tried."""
    engine = create_engine(
        with_driver(database_url), connect_args={"options": "-c synchronous_commit=off"}
    )
    yield engine
    engine.dispose()


def test_whatever_the_order_of_events_the_promise_holds(fast_engine: Engine) -> None:
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
