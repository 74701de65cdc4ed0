"""Crash reports: which text a dead child was scoring, why it died, and the return of its leases.

Runs in the parent, which alone knows how a child ended. If the parent cannot report, because
PostgreSQL is unavailable or the parent died too, the leases expire and the sweeper counts a failed
attempt for each text.
"""

from __future__ import annotations

import logging
import re

from plumbline.settings import Settings
from plumbline_client.deadline import time_limit
from plumbline_client.errors import StorageError
from plumbline_client.services import Services
from storage.database import connect, translate_errors
from storage.jobs import leases
from storage.jobs.due import LEASE_EXPIRED
from worker.pool.in_flight import InFlightRecord
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)
# The parent gives out no messages meanwhile.
LIMIT_S = 5.0
SIGNAL = re.compile(r"SIG[A-Z]+")
# Signals that lack of memory can cause.
MEMORY_HINTS = {
    "SIGKILL": ", which the kernel also sends when memory runs out",
    "SIGABRT": ", which native code also raises when it cannot allocate memory",
}


def crash_reason(exit_description: str, text_timeout_s: float) -> str:
    """Return the reason for the row, given Celery's description such as "signal 11 (SIGSEGV)"."""
    match = SIGNAL.search(exit_description)
    if match is None:
        return "its worker process exited while scoring it"
    signal = match[0]
    if signal == "SIGALRM":
        return f"the time limit of {text_timeout_s:g} s passed while it was being scored"
    return f"its worker process was killed by {signal}{MEMORY_HINTS.get(signal, '')}"


def report_crash(
    record: InFlightRecord, exit_description: str, settings: Settings, services: Services
) -> bool:
    """Return the leases of a dead child, and whether it had any.

    The text that was being scored keeps its attempt and gets the reason; if none was, all do.
    """
    in_flight = record.read()
    record.clear()
    if not in_flight.leases:
        return False
    scoring = in_flight.scoring
    blamed = in_flight.leases if scoring is None else [in_flight.leases[scoring]]
    spared = [lease for lease in in_flight.leases if lease not in blamed]
    reason = crash_reason(exit_description, settings.text_timeout_s)
    # Of several texts none of which was being scored, hardly any is at fault.
    error = LEASE_EXPIRED if len(blamed) > 1 else reason
    # The engine is not kept: it would cross the fork of the next child.
    engine = connect(services.database_url, pool_size=1)
    try:
        with (
            time_limit(LIMIT_S),
            translate_errors(engine),
            engine.begin() as connection,
        ):
            leases.release_lost(connection, blamed, error, settings.max_attempts)
            leases.return_unstarted(connection, spared)
    except StorageError as error:
        log.warning("the leases of a crashed process were not returned and will expire: %s", error)
        return True
    finally:
        engine.dispose()
    kind = ErrorKind.TIME_LIMIT if "SIGALRM" in exit_description else ErrorKind.CRASH
    for job, _ in blamed:
        log.error("job %s: %s", job, reason, extra=metrics.count_error(kind) | {"job_id": job})
    return True
