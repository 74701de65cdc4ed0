"""What happens to a lease between claim and finish: renewed, handed back, or lost with its worker.

As in the ledger each is one statement and guarded by the fence, so none of them touches a text that
somebody else has claimed since.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from sqlalchemy import text

from storage.direct import Executor
from storage.jobs import outbox
from storage.jobs.ledger import HELD

_HELD = f"""
    unnest(CAST(:ids AS uuid[]), CAST(:fences AS bigint[])) AS held (id, fence)
    WHERE jobs.id = ANY (CAST(:ids AS uuid[])) AND {HELD}
      AND jobs.id = held.id AND jobs.fence = held.fence
"""

RENEW = text(f"""
UPDATE plumbline.jobs AS jobs SET lease_until = now() + make_interval(secs => :lease_s)
FROM {_HELD}
""")

# An attempt is one at scoring; what was handed back was never tried. Its older error stays, if any.
HAND_BACK = text(f"""
UPDATE plumbline.jobs AS jobs
SET state = 'queued', lease_until = NULL, published_at = NULL, attempts = jobs.attempts - 1
FROM {_HELD}
""")

LOST = text(f"""
UPDATE plumbline.jobs AS jobs
SET state = CASE WHEN attempts >= :max_attempts THEN 'quarantined' ELSE 'queued' END,
    finished_at = CASE WHEN attempts >= :max_attempts THEN now() END,
    error = CASE WHEN attempts >= :max_attempts
                 THEN format('given up after %s attempts: %s', attempts, CAST(:error AS text))
                 ELSE :error END,
    lease_until = NULL, published_at = NULL
FROM {_HELD}
""")

HeldLeases = Sequence[tuple[uuid.UUID, int]]


def renew(run: Executor, held: HeldLeases, lease_s: float) -> int:
    """Hold these (id, fence) for `lease_s` from now; return how many are still ours."""
    return run.execute(RENEW, _columns(held) | {"lease_s": lease_s}).rowcount


def return_unstarted(run: Executor, held: HeldLeases) -> int:
    """Give back texts nobody began to score, to be published at once; the attempt is not counted.

    Returns how many were still ours to give.
    """
    if not held:
        return 0
    given = run.execute(HAND_BACK, _columns(held)).rowcount
    outbox.announce(run)
    return given


def lost(run: Executor, held: HeldLeases, error: str, max_attempts: int) -> int:
    """Give back texts whose worker died over them; the attempt stays counted, and the last of
    `max_attempts` ends in quarantine. Returns how many were still held.
    """
    if not held:
        return 0
    rows = run.execute(
        LOST, _columns(held) | {"error": error, "max_attempts": max_attempts}
    ).rowcount
    outbox.announce(run)
    return rows


def _columns(held: HeldLeases) -> dict[str, Any]:
    return {"ids": [job for job, _ in held], "fences": [fence for _, fence in held]}
