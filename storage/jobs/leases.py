"""Leases between claim and finish: renewed, released, returned unstarted, or lost with a worker.

Each function is one statement that checks the fencing token, so it changes no job that another
worker has claimed since.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from plumbline_client.text import storable_error
from storage.direct import Executor
from storage.jobs.announcements import notify_relay
from storage.jobs.claim import Lease
from storage.jobs.quarantine import given_up

# `attempts` is a smallint.
UNLIMITED_ATTEMPTS = 32_768

# PostgreSQL keeps the plan that it made while the table was small until the table is next analyzed.
# No index has this expression, whereas an index on the state alone would be scanned from end to
# end. For the same reason the statements name the ids instead of only joining on them.
LEASED = "jobs.state || '' = 'leased'"

HELD_LEASES = f"""
    unnest(CAST(:ids AS uuid[]), CAST(:fences AS bigint[])) AS held (id, fence)
    WHERE jobs.id = ANY (CAST(:ids AS uuid[])) AND {LEASED}
      AND jobs.id = held.id AND jobs.fence = held.fence
"""

# `published_at` is NULL because no wake-up is under way, so the next sweep sends one. The last
# attempt ends here and not at the sweep, because an older wake-up could start one more attempt.
REQUEUE_OR_QUARANTINE = f"""
SET state = CASE WHEN attempts >= :max_attempts THEN 'quarantined' ELSE 'queued' END,
    finished_at = CASE WHEN attempts >= :max_attempts THEN now() END,
    error = CASE WHEN attempts >= :max_attempts
                 THEN {given_up("coalesce(CAST(:error AS text), 'no reason given')")}
                 ELSE :error END,
    lease_until = NULL, published_at = NULL
"""

RENEW = text(f"""
UPDATE plumbline.jobs AS jobs SET lease_until = now() + make_interval(secs => :lease_s)
FROM {HELD_LEASES}
""")

RELEASE = text(f"""
UPDATE plumbline.jobs AS jobs
{REQUEUE_OR_QUARANTINE}
WHERE id = :id AND fence = :fence AND {LEASED}
""")

RELEASE_LOST = text(f"""
UPDATE plumbline.jobs AS jobs
{REQUEUE_OR_QUARANTINE}
FROM {HELD_LEASES}
""")

# An interrupted attempt is not counted. The error of an earlier attempt stays.
RETURN_UNSTARTED = text(f"""
UPDATE plumbline.jobs AS jobs
SET state = 'queued', lease_until = NULL, published_at = NULL, attempts = jobs.attempts - 1
FROM {HELD_LEASES}
""")

HeldLeases = Sequence[tuple[uuid.UUID, int]]


def renew(connection: Executor, held: HeldLeases, lease_s: float) -> int:
    """Extend leases, each an (id, fence), to `lease_s` from now; return how many were valid."""
    return connection.execute(RENEW, _columns(held) | {"lease_s": lease_s}).rowcount


def release(
    connection: Executor,
    lease: Lease,
    error: str | None = None,
    max_attempts: int = UNLIMITED_ATTEMPTS,
) -> None:
    """Requeue a job for the next sweep, or quarantine it if this was the last of `max_attempts`.

    The attempt stays counted.
    """
    connection.execute(
        RELEASE,
        {
            "id": lease.id,
            "fence": lease.fence,
            "error": storable_error(error) if error is not None else None,
            "max_attempts": max_attempts,
        },
    )


def release_lost(connection: Executor, held: HeldLeases, error: str, max_attempts: int) -> int:
    """Release jobs whose worker died while it scored them; return how many leases were valid.

    The attempt stays counted, and the last of `max_attempts` ends in quarantine. The relay
    publishes the requeued jobs at once.
    """
    if not held:
        return 0
    parameters = _columns(held) | {"error": error, "max_attempts": max_attempts}
    released = connection.execute(RELEASE_LOST, parameters).rowcount
    notify_relay(connection)
    return released


def return_unstarted(connection: Executor, held: HeldLeases) -> int:
    """Requeue jobs that were not started or not completed; return how many leases were valid.

    The attempt is not counted, and the relay publishes the jobs at once.
    """
    if not held:
        return 0
    returned = connection.execute(RETURN_UNSTARTED, _columns(held)).rowcount
    notify_relay(connection)
    return returned


def _columns(held: HeldLeases) -> dict[str, Any]:
    return {"ids": [job for job, _ in held], "fences": [fence for _, fence in held]}
