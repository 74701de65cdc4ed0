import json
import logging
from datetime import datetime
from io import StringIO

import pytest

from plumbline.settings import LogFormat
from worker.telemetry.logs import configure_logging
from worker.telemetry.redaction import RedactionFilter

SECRET = "meet me at the old mill"


@pytest.fixture
def logger() -> tuple[logging.Logger, StringIO]:
    lines = StringIO()
    handler = logging.StreamHandler(lines)
    logger = logging.Logger("worker.tasks")
    logger.addHandler(handler)
    configure_logging(logger.handlers, LogFormat.JSON)
    return logger, lines


def test_a_line_is_one_object_with_its_fields(logger: tuple[logging.Logger, StringIO]) -> None:
    log, lines = logger
    log.info("message %s:\n%d scored", "m", 2, extra={"message_id": "m", "scored": 2, "data": "x"})
    (line,) = lines.getvalue().splitlines()
    told = json.loads(line)
    assert told["message"] == "message m:\n2 scored"
    assert (told["level"], told["logger"]) == ("INFO", "worker.tasks")
    assert (told["message_id"], told["scored"]) == ("m", 2)
    assert "data" not in told and "task_id" not in told
    assert datetime.fromisoformat(told["time"]).utcoffset() is not None


def test_an_error_is_told_without_its_message(logger: tuple[logging.Logger, StringIO]) -> None:
    log, lines = logger
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("job %s failed", "j", extra={"job_id": "j", "kind": "model"})
    told = json.loads(lines.getvalue())
    assert (told["job_id"], told["kind"], told["error"]) == ("j", "model", "ValueError")
    assert "Traceback" in told["traceback"] and SECRET not in lines.getvalue()


def test_text_stays_as_celery_writes_it() -> None:
    handler = logging.StreamHandler(StringIO())
    plain = logging.Formatter("%(message)s")
    handler.setFormatter(plain)
    for _ in range(2):
        configure_logging([handler], LogFormat.TEXT)
    assert handler.formatter is plain
    assert [type(each) for each in handler.filters] == [RedactionFilter]
