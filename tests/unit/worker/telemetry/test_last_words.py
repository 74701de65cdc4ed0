import inspect
import logging
import sys

import pytest
from celery.worker import worker

from worker.telemetry.last_words import LOGGER, MESSAGE, LastWordsFilter, install


def record_of(error: BaseException, message: str) -> logging.LogRecord:
    try:
        raise error
    except BaseException:
        return logging.LogRecord(
            LOGGER, logging.CRITICAL, "worker.py", 1, message, (error,), sys.exc_info()
        )


def test_error_of_the_system_is_a_sentence_without_a_traceback() -> None:
    record = record_of(BlockingIOError(11, "Resource unavailable"), "Unrecoverable error: %r")
    assert LastWordsFilter().filter(record)
    assert record.getMessage().startswith("The worker ends: A process cannot be started: ")
    assert record.exc_info is None


@pytest.mark.parametrize(
    ("error", "message"), [(KeyError("x"), "Unrecoverable error: %r"), (OSError(5), "Retry: %r")]
)
def test_other_records_keep_their_traceback(error: Exception, message: str) -> None:
    record = record_of(error, message)
    assert LastWordsFilter().filter(record)
    assert record.msg == message and record.exc_info is not None


def test_filter_is_added_once_to_the_logger_that_celery_uses() -> None:
    install()
    install()
    logger = logging.getLogger(LOGGER)
    assert worker.logger is logger
    assert sum(isinstance(each, LastWordsFilter) for each in logger.filters) == 1
    assert f"'{MESSAGE}: %r'" in inspect.getsource(worker.WorkController.start)
