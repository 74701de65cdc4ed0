"""Compare the ledger with what the submission paths acknowledged.

The database of a run has no unique key on predictions, and a trigger records every change of them:
a job that is scored twice shows up, where the key would have hidden it.
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
from tests.chaos.plan import Job, JobKind

NUMBER = re.compile(r"#(\d+) ")
MAX_EVIDENCE = 10

RECORD_CHANGES = """
ALTER TABLE plumbline.predictions DROP CONSTRAINT predictions_pkey;
CREATE INDEX ON plumbline.predictions (job_id);
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

# Each table is aggregated once: a count per job would read all events for every job.
LEDGER = text("""
SELECT jobs.id, jobs.text, jobs.state, jobs.error, jobs.attempts, jobs.deadline, jobs.started_at,
       coalesce(live.predictions, 0) AS predictions, coalesce(noted.changes, 0) AS changes
FROM plumbline.jobs AS jobs
LEFT JOIN (
    SELECT job_id, count(*) AS predictions FROM plumbline.predictions
    WHERE role = 'live' GROUP BY job_id
) AS live ON live.job_id = jobs.id
LEFT JOIN (
    SELECT job_id, count(*) AS changes FROM chaos.events GROUP BY job_id
) AS noted ON noted.job_id = jobs.id
""")


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """A job with its number of live predictions, and how often these were changed."""

    id: uuid.UUID
    text: str | None
    state: JobState
    error: str | None
    attempts: int
    deadline: datetime | None
    started_at: datetime | None
    predictions: int
    changes: int

    @property
    def missed_deadline(self) -> bool:
        """Whether no worker claimed the job before its deadline."""
        return self.deadline is not None and not (
            self.started_at is not None and self.started_at <= self.deadline
        )


@dataclass
class Audit:
    """The counts of jobs, and one line of evidence for each job with a wrong outcome."""

    accepted: int = 0
    scored: int = 0
    quarantined: int = 0
    poison: int = 0
    expired: int = 0
    late: int = 0
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)
    bare: int = 0
    broker_lost: list[int] = field(default_factory=list)

    @property
    def line(self) -> str:
        return (
            f"accepted {self.accepted} · scored {self.scored} · lost {len(self.lost)} · "
            f"scored twice {len(self.twice)} · quarantined {self.quarantined} of {self.poison} · "
            f"expired {self.expired} of {self.late} · "
            f"lost by the broker {len(self.broker_lost)} of {self.bare}"
        )

    @property
    def passed(self) -> bool:
        return (
            self.scored == self.accepted > 0
            and self.quarantined == self.poison
            and self.expired == self.late
            and not (self.lost or self.twice or self.other or self.broker_lost)
        )

    def evidence(self) -> list[str]:
        lines = []
        bare = [f"{number} was sent as a bare message" for number in self.broker_lost]
        kinds = {"lost": self.lost, "twice": self.twice, "other": self.other, "broker": bare}
        for name, entries in kinds.items():
            lines += [f"{name}: {entry}" for entry in entries[:MAX_EVIDENCE]]
            if len(entries) > MAX_EVIDENCE:
                lines.append(f"{name}: and {len(entries) - MAX_EVIDENCE} more")
        return lines


def record_changes(engine: Engine) -> None:
    """Prepare the database of a run: drop the unique key and record changes of predictions."""
    with engine.begin() as connection:
        connection.exec_driver_sql(RECORD_CHANGES)


def read_ledger(connection: Connection) -> list[LedgerRow]:
    rows = connection.execute(LEDGER)
    return [LedgerRow(row.id, row.text, JobState(row.state), *row[3:]) for row in rows]


def audit_ledger(
    jobs: Iterable[Job],
    rows: Iterable[LedgerRow],
    acknowledged: Mapping[int, AbstractSet[uuid.UUID]],
    sent: AbstractSet[int],
) -> Audit:
    """Audit the outcome of every job.

    `acknowledged` has the ids that the paths returned for a job's number, `sent` the numbers sent
    in bare messages that Redis accepted. The broker lost those that are not in the ledger.
    """
    audit = Audit(bare=len(sent))
    by_number: dict[int, list[LedgerRow]] = defaultdict(list)
    for row in rows:
        match = NUMBER.search(row.text or "")
        if match is None:
            audit.other.append(f"a row that nobody submitted: {row}")
        else:
            by_number[int(match[1])].append(row)
    for job in jobs:
        job_rows = by_number[job.number]
        ids = acknowledged.get(job.number, set())
        if ids or job_rows:
            _audit_job(audit, job, job_rows, ids)
        elif job.number in sent:
            audit.broker_lost.append(job.number)
        else:
            audit.other.append(f"{job.number} was never submitted")
    return audit


def _audit_job(audit: Audit, job: Job, rows: list[LedgerRow], ids: AbstractSet[uuid.UUID]) -> None:
    missing = ids - {row.id for row in rows}
    still_open = [row for row in rows if row.state not in TERMINAL]
    if missing or still_open:
        audit.lost.append(f"{job.number} {job.kind}: {missing or still_open}")
    if len(rows) > 1 or any(row.predictions > 1 or row.changes > 1 for row in rows):
        audit.twice.append(f"{job.number} {job.kind}: {rows}")
    states = Counter(row.state for row in rows)
    scored = states[JobState.SCORED] > 0 and any(row.predictions for row in rows)
    # A job that was claimed before its deadline counts as one without a deadline.
    late = job.kind in (JobKind.LATE, JobKind.SOON) and any(row.missed_deadline for row in rows)
    if job.kind is JobKind.POISON:
        audit.poison += 1
        as_expected = states[JobState.QUARANTINED] > 0
        audit.quarantined += as_expected
    elif late:
        audit.late += 1
        as_expected = states[JobState.EXPIRED] > 0
        audit.expired += as_expected
    elif job.kind is JobKind.SOON and states[JobState.EXPIRED] > 0:
        # Its worker was killed, and then the deadline had passed.
        audit.late += 1
        audit.expired += 1
        as_expected = True
    else:
        audit.accepted += 1
        as_expected = scored
        audit.scored += scored
    if rows and not as_expected:
        audit.other.append(f"{job.number} {job.kind}: {rows}")
