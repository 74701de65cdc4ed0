"""Changes of tables that are in use: short waits for their locks, again and again.

A statement that waits for a table behind a long transaction lets nobody else use that table, not
even those whom the long transaction would not disturb. So a wait is short, and between two of them
the others get their turn.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from time import monotonic, sleep
from typing import NamedTuple, TypeVar

from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from storage.errors import DatabaseInUse

T = TypeVar("T")
PATIENCE_S = 600.0
FIRST_PAUSE_S = 2.0
LONGEST_PAUSE_S = 15.0
REPORT_EVERY_S = 30.0
# lock_not_available and deadlock_detected
LOCKED = ("55P03", "40P01")

# Those with a lock on one of the tables, the longest transaction first. A prepared transaction has
# no process.
HOLDERS = text("""
SELECT locks.pid, coalesce(sessions.application_name, '') AS application,
       coalesce(sessions.state, 'prepared') AS state,
       coalesce(extract(epoch FROM clock_timestamp() - sessions.xact_start), 0) AS open_s
FROM pg_locks AS locks LEFT JOIN pg_stat_activity AS sessions USING (pid)
WHERE locks.granted AND locks.pid IS DISTINCT FROM pg_backend_pid()
  AND locks.locktype = 'relation'
  AND locks.database = (SELECT oid FROM pg_database WHERE datname = current_database())
  AND locks.relation IN (
      SELECT oid FROM pg_class WHERE relnamespace = to_regnamespace('plumbline'))
GROUP BY 1, 2, 3, 4 ORDER BY open_s DESC, pid LIMIT 1
""")


class Holder(NamedTuple):
    """A session that uses the tables; `pid` is None if its transaction is prepared."""

    pid: int | None
    application: str
    state: str
    open_s: float

    def __str__(self) -> str:
        if self.pid is None:
            return "a prepared transaction (see pg_prepared_xacts)"
        name = f" ({self.application})" if self.application else ""
        return (
            f"process {self.pid}{name}, which is {self.state} in a transaction that has been open "
            f"for {self.open_s:,.0f} s"
        )


def call_when_unlocked(
    engine: Engine,
    change: Callable[[], T],
    report: Callable[[str], None],
    ends_at: float,
    pause: Callable[[float], None] = sleep,
) -> T:
    """Call `change` until it gets its locks; report as a sentence whom it waits for.

    Raises DatabaseInUse at `ends_at`, a time of the monotonic clock, and what else `change` raises.
    """
    started, reported_at, pause_s = monotonic(), float("-inf"), FIRST_PAUSE_S
    while True:
        try:
            return change()
        except DBAPIError as error:
            if getattr(error.orig, "sqlstate", None) not in LOCKED:
                raise
            holder, now = find_holder(engine), monotonic()
            if now >= ends_at:
                raise DatabaseInUse(
                    f"The tables could not be changed within {now - started:,.0f} s, because "
                    f"{holder} uses them; end that transaction, and upgrade again."
                ) from error
        if now - reported_at >= REPORT_EVERY_S:
            report(f"The upgrade waits for {holder}; scoring continues.")
            reported_at = now
        pause(min(pause_s * random.uniform(0.75, 1.0), max(0.0, ends_at - now)))
        pause_s = min(LONGEST_PAUSE_S, 1.5 * pause_s)


def find_holder(engine: Engine) -> Holder | str:
    with engine.connect() as connection:
        row = connection.execute(HOLDERS).first()
    return "another transaction" if row is None else Holder(*row)
