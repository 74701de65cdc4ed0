"""Whether a server still works on a statement whose answer takes long, asked on a new connection.

A report may take minutes. A connection that is dead, but that nobody closed, looks the same.
"""

from __future__ import annotations

from time import monotonic

import psycopg

from plumbline_client.deadline import call_within

# After so long without any data, and then more often.
ASK_AFTER_S = 10.0
ASK_AGAIN_S = 2.0
# A single "no" may have been asked while the answer was under way.
ENOUGH_NOES = 2
LIMIT_S = 4.0

# A session whose client does not read its rows does not work, either. What another role's session
# does is not shown.
WORKS = b"""
SELECT coalesce(
    state NOT IN ('idle', 'idle in transaction', 'idle in transaction (aborted)')
    AND wait_event_type IS DISTINCT FROM 'Client', true)
FROM pg_catalog.pg_stat_activity WHERE pid = %s
"""


class Liveness:
    """Counts the answers about one statement of the session with this process id."""

    def __init__(self, conninfo: str, process_id: int) -> None:
        self._conninfo = conninfo
        self._process_id = process_id
        self.data_arrived()

    def data_arrived(self) -> None:
        self._ask_at, self._noes = monotonic() + ASK_AFTER_S, 0

    def is_over(self) -> bool:
        """Ask if it is time to; return whether there will be no answer."""
        if monotonic() < self._ask_at:
            return False
        self._noes = 0 if is_working(self._conninfo, self._process_id) else self._noes + 1
        self._ask_at = monotonic() + (ASK_AGAIN_S if self._noes else ASK_AFTER_S)
        return self._noes >= ENOUGH_NOES


def is_working(conninfo: str, process_id: int) -> bool:
    def ask() -> bool:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            row = connection.execute(WORKS, [process_id], prepare=False).fetchone()
            return row is not None and bool(row[0])

    try:
        return call_within(LIMIT_S, ask)
    except TimeoutError:
        return False
    except psycopg.OperationalError as error:
        # A server that refuses the login, since it has too many, is there.
        return "FATAL" in str(error)
    except psycopg.Error:
        return True
