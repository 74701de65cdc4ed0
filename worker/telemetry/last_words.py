"""What Celery logs when an error ends a worker, as one sentence if its cause is outside."""

from __future__ import annotations

import logging

from plumbline.system_errors import describe, is_known

# celery/worker/worker.py, WorkController.start
LOGGER = "celery.worker"
MESSAGE = "Unrecoverable error"


class LastWordsFilter(logging.Filter):
    """Replaces the traceback of an error such as a limit of processes by cause and cure."""

    def filter(self, record: logging.LogRecord) -> bool:
        error = record.exc_info[1] if record.exc_info else None
        if error is not None and str(record.msg).startswith(MESSAGE) and is_known(error):
            record.msg, record.args = "The worker ends: %s", (describe(error),)
            record.exc_info = None
        return True


def install() -> None:
    """Add the filter to Celery's logger, once."""
    logger = logging.getLogger(LOGGER)
    if not any(isinstance(each, LastWordsFilter) for each in logger.filters):
        logger.addFilter(LastWordsFilter())
