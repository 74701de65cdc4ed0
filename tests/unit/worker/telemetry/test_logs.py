import json
import logging
from datetime import datetime
from io import StringIO

import pytest

from plumbline.settings import LogFormat
from tests.predictions import new_prediction
from worker.processing.outcome import MessageOutcome, ShadowOutcome
from worker.telemetry.logs import FIELDS, configure_logging, message_fields
from worker.telemetry.redaction import RedactionFilter

SECRET = "meet me at the old mill"


@pytest.fixture
def json_log() -> tuple[logging.Logger, StringIO]:
    output = StringIO()
    handler = logging.StreamHandler(output)
    logger = logging.Logger("worker.tasks")
    logger.addHandler(handler)
    configure_logging(logger.handlers, LogFormat.JSON)
    return logger, output


def test_a_json_line_is_one_object_with_its_fields(
    json_log: tuple[logging.Logger, StringIO],
) -> None:
    log, output = json_log
    log.info("message %s:\n%d scored", "m", 2, extra={"message_id": "m", "scored": 2, "data": "x"})
    (line,) = output.getvalue().splitlines()
    record = json.loads(line)
    assert record["message"] == "message m:\n    2 scored"
    assert (record["level"], record["logger"]) == ("INFO", "worker.tasks")
    assert (record["message_id"], record["scored"]) == ("m", 2)
    assert "data" not in record and "task_id" not in record
    assert datetime.fromisoformat(record["time"]).utcoffset() is not None


def test_an_error_is_logged_without_its_message(
    json_log: tuple[logging.Logger, StringIO],
) -> None:
    log, output = json_log
    try:
        raise ValueError(SECRET)
    except ValueError:
        log.exception("job %s failed", "j", extra={"job_id": "j", "kind": "model"})
    record = json.loads(output.getvalue())
    assert (record["job_id"], record["kind"], record["error"]) == ("j", "model", "ValueError")
    assert "Traceback" in record["traceback"] and SECRET not in output.getvalue()


def test_the_text_format_is_left_as_celery_set_it() -> None:
    handler = logging.StreamHandler(StringIO())
    formatter = logging.Formatter("%(message)s")
    handler.setFormatter(formatter)
    for _ in range(2):
        configure_logging([handler], LogFormat.TEXT)
    assert handler.formatter is formatter
    assert [type(each) for each in handler.filters] == [RedactionFilter]


def test_the_fields_of_a_message_are_its_counts_and_mean_times() -> None:
    predictions = [
        new_prediction(model="b/1.0.0", tokens=10, queue_ms=20.0, score_ms=3.0),
        new_prediction(model="a/1.0.0", tokens=5, queue_ms=40.0, score_ms=6.0),
    ]
    outcome = MessageOutcome(
        refused=1,
        skipped=4,
        predictions=predictions,
        written=predictions,
        shadow=ShadowOutcome(2, 1),
    )
    assert message_fields("m", "shop", outcome, 0.5) == {
        "message_id": "m",
        "source": "shop",
        "models": ["a/1.0.0", "b/1.0.0"],
        "scored": 2,
        "rejected": 1,
        "failed": 0,
        "elsewhere": 4,
        "returned": 0,
        "shadow_scored": 2,
        "shadow_failed": 1,
        "chunk_ms": 500.0,
        "score_ms": 4.5,
        "queue_ms": 30.0,
        "tokens": 15,
    }


def test_a_message_without_predictions_has_no_mean_times() -> None:
    fields = message_fields("m", "shop", MessageOutcome(refused=1), 0.5)
    assert fields.keys().isdisjoint({"score_ms", "queue_ms"})


def test_json_lines_show_every_field_of_a_message() -> None:
    predictions = [new_prediction(model="a/1.0.0", tokens=5, queue_ms=40.0, score_ms=6.0)]
    outcome = MessageOutcome(predictions=predictions, written=predictions)
    assert set(message_fields("m", "shop", outcome, 0.5)) <= set(FIELDS)
