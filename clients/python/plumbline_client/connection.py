"""A connection to PostgreSQL that waits for no answer without an end.

PostgreSQL's own limits do not help where the server, or what is in between, answers nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, TypeVar

import psycopg
from psycopg.abc import PQGen
from psycopg.pq import TransactionStatus
from psycopg.rows import tuple_row

from plumbline_client.deadline import remaining_s
from plumbline_client.limits import duration_of
from plumbline_client.liveness import Liveness

T = TypeVar("T")
SET_ONE = "pg_catalog.set_config(%s, %s, false)"
# How long after its own limit a server's answer may arrive.
ANSWER_FACTOR = 1.25
ANSWER_GRACE_S = 1.0
# The part of a call's time after which the server ends a statement, so that its answer, and with
# it the certainty that nothing happened, still arrives.
SERVER_SHARE = 0.85
SHORTEST_SERVER_S = 0.2
CONFIGURE_TRIES = 3
CANCEL_LIMIT_S = 0.3


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time. Whether it ran the statement is unknown."""


class Connection(psycopg.Connection[Any]):
    """`pooled` is whether a pooler may run each transaction in another session.

    Such a connection keeps nothing from one transaction to the next: neither settings nor prepared
    statements nor what it listens to.
    """

    pooled = False
    # Leads to the same server, which answers there what this session does.
    conninfo: str | None = None
    # Of the session, and of the current call where that differs.
    _limit_s: float | None = None
    _call_limit_s: float | None = None
    _may_be_raised = True

    def limit_statements(self, limit_s: float | None, *, may_be_raised: bool = True) -> None:
        """Record the server's own limit, which the answer may exceed a little; None removes it.

        A limit that a user chose may not be raised for a call.
        """
        self._limit_s, self._may_be_raised = limit_s, may_be_raised

    def limit_call(self, limit_s: float | None = None) -> None:
        """Let the server end the next statements before the current time limit, or `limit_s`.

        Without either, the session's own limit applies. A change costs a round trip.
        """
        limit_s = limit_s if self._may_be_raised else None
        left_s = remaining_s(limit_s)
        if remaining_s() is not None and left_s is not None:
            own_s = self._limit_s if limit_s is None else limit_s
            left_s = max(SHORTEST_SERVER_S, min(SERVER_SHARE * left_s, own_s or left_s))
        if left_s != self._call_limit_s:
            self._call_limit_s = left_s
            if not self.pooled:
                in_force_s = self._limit_s if left_s is None else left_s
                self._configure_persistently({"statement_timeout": duration_of(in_force_s or 0.0)})

    def configure(self, settings: Mapping[str, str]) -> None:
        """Set these settings of the session, which must not be in a transaction."""
        if not self.autocommit:
            # A rollback would restore them.
            self.autocommit = True
            try:
                self.configure(settings)
            finally:
                if not self.closed:
                    self.autocommit = False
        elif settings:
            values = [part for setting in settings.items() for part in setting]
            calls = ", ".join([SET_ONE] * len(settings))
            with self.cursor(row_factory=tuple_row) as cursor:
                cursor.execute(f"SELECT {calls}".encode(), values, prepare=False)

    def rollback(self) -> None:
        """Roll back; nothing is left to do if the connection is closed, as after NoAnswer."""
        if not self.closed:
            super().rollback()

    def _configure_persistently(self, settings: Mapping[str, str]) -> None:
        # The limit of the call before still applies to the change itself.
        for _ in range(CONFIGURE_TRIES - 1):
            with suppress(psycopg.errors.QueryCanceled):
                return self.configure(settings)
        self.configure(settings)

    def wait(self, gen: PQGen[T], *args: Any, **options: Any) -> T:
        """Wait as psycopg does, which asks `gen` ten times per second, until the time is over."""
        limit_s = remaining_s(self._answer_limit_s())
        if limit_s is None:
            return super().wait(gen, *args, **options)
        try:
            return super().wait(_until(gen, limit_s, self._liveness), *args, **options)
        except NoAnswer:
            self._abandon()
            raise

    def _liveness(self) -> Liveness | None:
        """Return None where the server cannot be asked about this session."""
        if self.pooled or self.conninfo is None:
            return None
        return Liveness(self.conninfo, self.info.backend_pid)

    def _answer_limit_s(self) -> float | None:
        limit_s = self._limit_s if self._call_limit_s is None else self._call_limit_s
        return None if limit_s is None else ANSWER_FACTOR * limit_s + ANSWER_GRACE_S

    def _abandon(self) -> None:
        """Close the connection, and ask a server that still works on the statement to stop."""
        is_active = self.pgconn.transaction_status == TransactionStatus.ACTIVE
        # The request of an older libpq blocks the whole interpreter until it is answered.
        if is_active and psycopg.capabilities.has_cancel_safe():
            with suppress(psycopg.Error):
                self.cancel_safe(timeout=CANCEL_LIMIT_S)
        self.close()


def _until(
    gen: PQGen[T], limit_s: float, liveness_of_session: Callable[[], Liveness | None]
) -> PQGen[T]:
    """Pass on what `gen` waits for, and raise NoAnswer after `limit_s` or if none will come."""
    started = monotonic()
    liveness = None
    try:
        waits_for = next(gen)
        while True:
            ready = yield waits_for
            waited_s = monotonic() - started
            if waited_s >= limit_s:
                raise NoAnswer(f"no answer within {limit_s:.3g} s")
            if not ready:
                liveness = liveness or liveness_of_session()
                if liveness is not None and liveness.is_over():
                    raise NoAnswer(
                        f"no answer for {waited_s:.0f} s, and the server does not work on one"
                    )
            elif liveness is not None:
                liveness.data_arrived()
            waits_for = gen.send(ready)
    except StopIteration as end:
        result: T = end.value
        return result
