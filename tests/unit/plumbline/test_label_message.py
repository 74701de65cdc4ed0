import uuid
from typing import Any

import pytest

from plumbline.messages import MAX_JOBS, LabelMessage, MessageRejected
from plumbline_client.identity import keyed_id
from storage.jobs.labels import Entry

JOB = uuid.UUID("7d41c2aa-0000-4000-8000-000000000000")
BY_ID = {"job_id": str(JOB), "label": "spam", "by": "support"}
BY_KEY = {"source": "mail", "key": "k-1", "label": "0", "by": "support"}


def message(*labels: Any, version: Any = 1) -> dict[str, Any]:
    return {"version": version, "labels": list(labels)}


def test_a_job_is_named_by_its_id_or_by_its_key() -> None:
    assert LabelMessage.parse(message(BY_ID, BY_KEY)).entries() == [
        Entry(JOB, "spam", "support"),
        Entry(keyed_id("mail", "k-1"), "0", "support"),
    ]


def test_the_source_of_a_key_may_be_left_out() -> None:
    said = {"key": "k-1", "label": "1", "by": "support"}
    assert LabelMessage.parse(message(said)).entries()[0].job_id == keyed_id("default", "k-1")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "version: Field required"),
        (message(BY_ID, version=2), "version: Input should be less than or equal to 1"),
        (message(), "labels: List should have at least 1 item"),
        (message(*[BY_ID] * (MAX_JOBS + 1)), "labels: List should have at most 1000 items"),
        (message(BY_ID | {"job_id": "x"}), "labels.0.job_id: Input should be a valid UUID"),
        (message(BY_ID | {"label": 1}), "labels.0.label: Input should be a valid string"),
        (message(BY_ID | {"label": ""}), "labels.0.label: String should have at least 1 char"),
        (message(BY_ID | {"by": ""}), "labels.0.by: Value error, it is empty"),
        (message(BY_KEY | {"source": "s" * 201}), "labels.0.source: Value error, it has 201 cha"),
        (message(BY_KEY | {"key": "a\0b"}), "labels.0.key: Value error, it has a NUL"),
        (message(BY_ID | {"key": "k"}), "labels.0: Value error, a label names its job by job_id"),
        (message({"label": "1", "by": "x"}), "labels.0: Value error, a label names its job by"),
        (message(BY_ID | {"text": "no"}), "labels.0.(unknown): Extra inputs are not permitted"),
        (message(BY_ID | {"by": None}), "labels.0.by: Input should be a valid string"),
    ],
)
def test_a_malformed_message_is_rejected_with_its_reason(
    arguments: dict[str, Any], says: str
) -> None:
    with pytest.raises(MessageRejected) as rejected:
        LabelMessage.parse(arguments)
    assert str(rejected.value).startswith(says)
