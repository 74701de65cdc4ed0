"""When a child died: say which text it had in hand and why it died, and give back the others.

Runs in the parent, which alone knows how a child ended. Where it cannot, since PostgreSQL is away
or the parent died too, the leases run out and the sweeper blames all of them.
"""

from __future__ import annotations

import logging
import re

from plumbline.settings import Settings
from plumbline_client.errors import StorageError
from storage.database import connect, translate_errors
from storage.jobs import leases
from worker.pool.in_flight import InFlightRecord
from worker.telemetry import metrics
from worker.telemetry.metrics import ErrorKind

log = logging.getLogger(__name__)
SIGNAL = re.compile(r"SIG[A-Z]+")
# Signals that memory may be behind.
OF_MEMORY = {
    "SIGKILL": ", which the system also sends where memory runs out",
    "SIGABRT": ", which native code also raises where it gets no memory",
}


def reason(ending: str, text_timeout_s: float) -> str:
    """Why, from Celery's words for how the process ended, as in "signal 11 (SIGSEGV)"."""
    found = SIGNAL.search(ending)
    if found is None:
        return "its worker process died: it ended by itself while it was being scored"
    if found[0] == "SIGALRM":
        return f"the time limit of {text_timeout_s:g} s passed while it was being scored"
    return f"its worker process died by {found[0]}{OF_MEMORY.get(found[0], '')}"


def report_crash(slot: InFlightRecord, ending: str, settings: Settings) -> None:
    """Give back what the dead child held. Blames the text in hand, or all where none was."""
    written = slot.read()
    slot.clear()
    if not written.held:
        return
    blamed = written.held if written.in_hand is None else [written.held[written.in_hand]]
    spared = [lease for lease in written.held if lease not in blamed]
    why = reason(ending, settings.text_timeout_s)
    assert settings.database_url is not None
    # No engine is kept: it would cross the fork of the next child.
    engine = connect(settings.database_url.get_secret_value(), pool_size=1)
    try:
        with translate_errors(engine), engine.begin() as connection:
            leases.lost(connection, blamed, why, settings.max_attempts)
            leases.return_unstarted(connection, spared)
    except StorageError as error:
        log.warning("what a dead child held waits for its leases to run out: %s", error)
        return
    finally:
        engine.dispose()
    kind = ErrorKind.TIME_LIMIT if "SIGALRM" in ending else ErrorKind.CRASH
    for job, _ in blamed:
        log.error("job %s: %s", job, why, extra=metrics.error(kind) | {"job_id": job})
