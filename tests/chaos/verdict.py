"""Hold the ledger against what the doors acknowledged.

The run's database has no unique key on predictions, and a trigger writes down everything that
happens to them: so a job scored twice would show, where the key would have hidden it.
"""

from __future__ import annotations

import re
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection, Engine, text

from plumbline_client.states import TERMINAL, JobState
from tests.chaos.plan import Job, Kind

NUMBER = re.compile(r"#(\d+) ")
SHOWN = 10

WATCH = """
ALTER TABLE plumbline.predictions DROP CONSTRAINT predictions_pkey;
CREATE SCHEMA chaos;
CREATE TABLE chaos.events (what text NOT NULL, job_id uuid NOT NULL, at timestamptz NOT NULL);
CREATE FUNCTION chaos.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO chaos.events
    SELECT TG_OP, CASE WHEN TG_OP = 'DELETE' THEN OLD.job_id ELSE NEW.job_id END, clock_timestamp()
    WHERE CASE WHEN TG_OP = 'DELETE' THEN OLD.role ELSE NEW.role END = 'live';
    RETURN NULL;
END
$$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON plumbline.predictions
FOR EACH ROW EXECUTE FUNCTION chaos.note();
"""

ROWS = text("""
SELECT jobs.id, jobs.text, jobs.state, jobs.error, jobs.attempts, jobs.deadline, jobs.started_at,
       (SELECT count(*) FROM plumbline.predictions
        WHERE job_id = jobs.id AND role = 'live') AS answers,
       (SELECT count(*) FROM chaos.events WHERE job_id = jobs.id) AS events
FROM plumbline.jobs AS jobs
""")


@dataclass(frozen=True, slots=True)
class Row:
    id: uuid.UUID
    text: str | None
    state: JobState
    error: str | None
    attempts: int
    deadline: datetime | None
    started_at: datetime | None
    answers: int
    events: int

    @property
    def came_too_late(self) -> bool:
        """Whether no claim met it before its deadline."""
        return self.deadline is not None and not (
            self.started_at is not None and self.started_at <= self.deadline
        )


@dataclass
class Verdict:
    """Counts of jobs, and what to look at for each that is not as it should be."""

    accepted: int = 0
    scored: int = 0
    quarantined: int = 0
    poison: int = 0
    expired: int = 0
    late: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    broker_lost: list[int] = field(default_factory=list)

    @property
    def line(self) -> str:
        return (
            f"accepted {self.accepted} · scored {self.scored} · lost {len(self.lost)} · "
            f"scored twice {len(self.twice)} · quarantined {self.quarantined} of {self.poison} · "
            f"expired {self.expired} of {self.late}"
        )

    @property
    def holds(self) -> bool:
        return (
            self.scored == self.accepted > 0
            and self.quarantined == self.poison
            and self.expired == self.late
            and not (self.lost or self.twice or self.other)
        )

    def evidence(self) -> list[str]:
        found = []
        for name, entries in (("lost", self.lost), ("twice", self.twice), ("other", self.other)):
            found += [f"{name}: {entry}" for entry in entries[:SHOWN]]
            if len(entries) > SHOWN:
                found.append(f"{name}: and {len(entries) - SHOWN} more")
        return found


def watch(engine: Engine) -> None:
    """Prepare the run's database: no key hides what happens twice, and a trigger counts it."""
    with engine.begin() as connection:
        connection.exec_driver_sql(WATCH)


def read(connection: Connection) -> list[Row]:
    return [Row(r.id, r.text, JobState(r.state), *r[3:]) for r in connection.execute(ROWS)]


def judge(
    jobs: Iterable[Job],
    rows: Iterable[Row],
    accepted: Mapping[int, AbstractSet[uuid.UUID]],
    sent: AbstractSet[int],
) -> Verdict:
    """`accepted` has the ids the doors gave for a job's number; `sent` went as bare messages.

    A bare message is accepted once a worker wrote it down, so one that is nowhere is the broker's.
    """
    verdict = Verdict()
    by_number: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        found = NUMBER.search(row.text or "")
        if found is None:
            verdict.other.append(f"a row nobody sent: {row}")
        else:
            by_number[int(found[1])].append(row)
    for job in jobs:
        found_rows = by_number[job.number]
        acknowledged = accepted.get(job.number, set())
        if not acknowledged and not found_rows:
            if job.number in sent:
                verdict.broker_lost.append(job.number)
            else:
                verdict.other.append(f"{job.number} was never submitted")
            continue
        _judge_one(verdict, job, found_rows, acknowledged)
    return verdict


def _judge_one(
    verdict: Verdict, job: Job, rows: list[Row], acknowledged: AbstractSet[uuid.UUID]
) -> None:
    missing = acknowledged - {row.id for row in rows}
    still_open = [row for row in rows if row.state not in TERMINAL]
    if missing or still_open:
        verdict.lost.append(f"{job.number} {job.kind}: {missing or still_open}")
    if len(rows) > 1 or any(row.answers > 1 or row.events > 1 for row in rows):
        verdict.twice.append(f"{job.number} {job.kind}: {rows}")
    states = Counter(row.state for row in rows)
    scored = states[JobState.SCORED] > 0 and any(row.answers for row in rows)
    # A deadline that a claim met before it passed is a job like any other.
    late = job.kind in (Kind.LATE, Kind.SOON) and any(row.came_too_late for row in rows)
    if job.kind is Kind.POISON:
        verdict.poison += 1
        as_expected = states[JobState.QUARANTINED] > 0
        verdict.quarantined += as_expected
    elif late:
        verdict.late += 1
        as_expected = states[JobState.EXPIRED] > 0
        verdict.expired += as_expected
    elif job.kind is Kind.SOON and states[JobState.EXPIRED] > 0:
        # Begun in time, its worker was killed, and then it was too late.
        verdict.late += 1
        verdict.expired += 1
        as_expected = True
    else:
        verdict.accepted += 1
        as_expected = scored
        verdict.scored += scored
    if rows and not as_expected:
        verdict.other.append(f"{job.number} {job.kind}: {rows}")
