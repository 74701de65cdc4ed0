import json
import uuid
from datetime import UTC, datetime
from typing import Any

import jsonschema
import pytest

from plumbline.messages import MAX_JOBS, LabelMessage, MessageRejected, ScoreMessage
from plumbline_client.identity import keyed_id
from plumbline_client.message import wake_up
from plumbline_client.queues import EXPRESS_MAX_BYTES, EXPRESS_MAX_TEXTS
from storage.jobs.labels import LabelEntry
from storage.states import Sampling
from tests.paths import DOCS

SCHEMA = DOCS / "message-v1.schema.json"
JOB = uuid.UUID("7d41c2aa-0000-4000-8000-000000000000")
BY_ID = {"job_id": str(JOB), "label": "spam", "by": "support"}
BY_KEY = {"source": "mail", "key": "k-1", "label": "0", "by": "support"}


def label_message(*labels: Any, version: Any = 1) -> dict[str, Any]:
    return {"version": version, "labels": list(labels)}


def test_a_bare_message_carries_texts() -> None:
    message = ScoreMessage.parse(
        {"version": 1, "source": "billing", "jobs": [{"text": "hi"}, {"text": "ho", "key": "7"}]}
    )
    assert [job.key for job in message.jobs] == [None, "7"]


def test_a_wake_up_is_a_score_message() -> None:
    ids = [uuid.uuid4(), uuid.uuid4()]
    assert [job.id for job in ScoreMessage.parse(wake_up(ids)).jobs] == ids


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "version: Field required"),
        ({"version": 2, "jobs": [{"text": "a"}]}, "version: Input should be less than"),
        ({"version": 1, "jobs": []}, "jobs: List should have at least 1 item"),
        ({"version": 1, "jobs": [{"text": "a"}] * 1001}, "jobs: List should have at most 1000"),
        ({"version": 1, "jobs": "a"}, "jobs: Input should be a valid list"),
        ({"version": 1, "jobs": ["a"]}, "jobs.0: Input should be"),
        ({"version": 1, "jobs": [{}]}, "jobs.0: Value error, a job has either an id or a text"),
        ({"version": 1, "jobs": [{"text": 3}]}, "jobs.0.text: Input should be a valid string"),
        ({"version": 1, "jobs": [{"id": "no"}]}, "jobs.0.id: Input should be a valid UUID"),
        ({"version": 1, "jobs": [{"text": "a"}], "more": 1}, "(unknown): Extra inputs"),
        (
            {"version": 1, "jobs": [{"id": str(uuid.UUID(int=1)), "key": "k"}]},
            "jobs.0: Value error, a job with an id has neither key nor deadline",
        ),
        (
            {"version": 1, "jobs": [{"text": "a", "deadline": "2026-01-01T00:00:00"}]},
            "jobs.0.deadline: Input should have timezone",
        ),
    ],
)
def test_an_invalid_score_message_is_rejected_with_its_reason(
    arguments: dict[str, object], reason: str
) -> None:
    with pytest.raises(MessageRejected) as rejected:
        ScoreMessage.parse(arguments)
    assert str(rejected.value).startswith(reason)


def test_a_job_is_named_by_its_id_or_by_its_key() -> None:
    assert LabelMessage.parse(label_message(BY_ID, BY_KEY)).entries() == [
        LabelEntry(JOB, "spam", "support"),
        LabelEntry(keyed_id("mail", "k-1"), "0", "support"),
    ]


def test_a_label_may_have_the_sampling_of_its_text() -> None:
    (entry,) = LabelMessage.parse(label_message(BY_ID | {"sampling": "random"})).entries()
    assert entry == LabelEntry(JOB, "spam", "support", Sampling.RANDOM)


def test_the_list_of_a_source_completes_what_a_message_leaves_out() -> None:
    """What the message names itself stays, so that it can be refused."""
    one, other = (
        {"label": "1", "key": "k"},
        {"label": "1", "key": "k", "source": "web", "by": "ann"},
    )
    assert LabelMessage.parse(label_message(one, other)).entries("billing") == [
        LabelEntry(keyed_id("billing", "k"), "1", "billing"),
        LabelEntry(keyed_id("web", "k"), "1", "ann"),
    ]
    with pytest.raises(MessageRejected, match=r"^labels\.0\.by: Field required$"):
        LabelMessage.parse(label_message(one)).entries()
    text = {"version": 1, "jobs": [{"text": "a"}]}
    assert ScoreMessage.parse(text).sent_by("billing").source == "billing"
    assert ScoreMessage.parse(text).sent_by(None).source == "default"
    for named in ("default", "web"):
        assert ScoreMessage.parse(text | {"source": named}).sent_by("billing").source == named


def test_a_message_of_ids_brings_no_texts() -> None:
    by_id = {"id": str(JOB)}
    assert not ScoreMessage.parse({"version": 1, "jobs": [by_id]}).brings_texts
    assert ScoreMessage.parse({"version": 1, "jobs": [by_id, {"text": "a"}]}).brings_texts


def test_the_source_of_a_key_is_optional() -> None:
    label = {"key": "k-1", "label": "1", "by": "support"}
    (entry,) = LabelMessage.parse(label_message(label)).entries()
    assert entry.job_id == keyed_id("default", "k-1")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({}, "version: Field required"),
        (label_message(BY_ID, version=2), "version: Input should be less than or equal to 1"),
        (label_message(), "labels: List should have at least 1 item"),
        (label_message(*[BY_ID] * (MAX_JOBS + 1)), "labels: List should have at most 1000 items"),
        (label_message(BY_ID | {"job_id": "x"}), "labels.0.job_id: Input should be a valid UUID"),
        (label_message(BY_ID | {"label": 1}), "labels.0.label: Input should be a valid string"),
        (label_message(BY_ID | {"label": ""}), "labels.0.label: String should have at least 1 c"),
        (label_message(BY_ID | {"by": ""}), "labels.0.by: Value error, it is empty"),
        (
            label_message(BY_KEY | {"source": "s" * 201}),
            "labels.0.source: Value error, it has 201 cha",
        ),
        (label_message(BY_KEY | {"key": "a\0b"}), "labels.0.key: Value error, it has a NUL"),
        (
            label_message(BY_ID | {"key": "k"}),
            "labels.0: Value error, a label names its job by job_id",
        ),
        (
            label_message({"label": "1", "by": "x"}),
            "labels.0: Value error, a label names its job by",
        ),
        (
            label_message(BY_ID | {"text": "no"}),
            "labels.0.(unknown): Extra inputs are not permitted",
        ),
        (label_message(BY_ID | {"by": None}), "labels.0.by: Input should be a valid string"),
        (
            label_message(BY_ID | {"sampling": "every third"}),
            "labels.0.sampling: Input should be 'random', 'uncertain' or 'unfamiliar'",
        ),
    ],
)
def test_an_invalid_label_message_is_rejected_with_its_reason(
    arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(MessageRejected) as rejected:
        LabelMessage.parse(arguments)
    assert str(rejected.value).startswith(reason)


def test_the_published_schema_is_the_current_one() -> None:
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert {**ScoreMessage.model_json_schema(), **PUBLISHED} == published


def test_the_published_schema_accepts_its_examples_and_refuses_an_invalid_message() -> None:
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for example in published["examples"]:
        jsonschema.validate(example, published)
        ScoreMessage.parse(example)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"version": 1, "jobs": []}, published)


# What the published schema has in addition to the model's.
PUBLISHED = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Plumbline message, version 1",
    "description": (
        "The keyword arguments (kwargs) of the Celery task plumbline.score, sent as JSON with "
        f"the key prefix plumbline: on Redis. A message of more than "
        f"{EXPRESS_MAX_BYTES:,} bytes of text, or of more than {EXPRESS_MAX_TEXTS} texts, "
        "belongs in the queue plumbline.bulk, so that single texts do not wait behind it; any "
        "other belongs in the queue plumbline.score."
    ),
    "examples": [
        {
            "version": 1,
            "source": "billing",
            "jobs": [
                {"text": "Your invoice is ready"},
                {"text": "WIN a prize now: text WIN to 80082", "key": "mail-4711"},
                {"text": "See you at six", "deadline": "2030-01-01T00:00:00Z"},
            ],
        },
        {"version": 1, "jobs": [{"id": "6f1c1b0a-6f5e-4a51-9d0e-0b6d5b1f3c11"}]},
    ],
}


def test_a_message_that_expires_is_a_deadline_for_the_texts_that_it_brings() -> None:
    noon = datetime(2026, 5, 1, 12, tzinfo=UTC)
    job_id = "00000000-0000-0000-0000-000000000001"
    jobs = [
        {"text": "none"},
        {"text": "earlier", "deadline": "2026-05-01T11:00:00Z"},
        {"text": "later", "deadline": "2026-05-01T13:00:00Z"},
        {"id": job_id},
    ]
    message = ScoreMessage.parse({"version": 1, "jobs": jobs})
    assert message.expiring(None) == message
    deadlines = [job.deadline for job in message.expiring(noon).jobs]
    assert deadlines == [noon, datetime(2026, 5, 1, 11, tzinfo=UTC), noon, None]
