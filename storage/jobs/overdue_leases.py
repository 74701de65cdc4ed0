"""Leases that have expired and that no sweep has ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

# A probe reads `OVERDUE`, and does without SQLAlchemy.
if TYPE_CHECKING:
    from sqlalchemy import Connection

# Since when they are overdue, while beat was running.
OVERDUE = """
SELECT count(*) AS leases,
       CAST(coalesce(extract(epoch FROM now() - min(greatest(lease_until, started.at))), 0)
            AS float8) AS oldest_s
FROM plumbline.jobs, (
    SELECT max(scheduled_at) AS at FROM plumbline.periodic_tasks WHERE scheduled_at <= now()
) AS started
WHERE state = 'leased' AND lease_until <= now()
"""


@dataclass(frozen=True, slots=True)
class OverdueLeases:
    """Leases that have expired and were not ended; `oldest_s` is 0 if there are none."""

    leases: int
    oldest_s: float


NONE_OVERDUE = OverdueLeases(0, 0.0)


def overdue_leases(connection: Connection) -> OverdueLeases:
    return OverdueLeases(*connection.exec_driver_sql(OVERDUE).one())
