import json
import uuid

import jsonschema
import pytest

from plumbline.messages import MessageRejected, ScoreMessage
from plumbline_client.message import wake_up
from tests.paths import DOCS

SCHEMA = DOCS / "message-v1.schema.json"


def test_a_bare_message_carries_texts() -> None:
    message = ScoreMessage.parse(
        {"version": 1, "source": "billing", "jobs": [{"text": "hi"}, {"text": "ho", "key": "7"}]}
    )
    assert [job.key for job in message.jobs] == [None, "7"]


def test_a_wake_up_is_a_message() -> None:
    ids = [uuid.uuid4(), uuid.uuid4()]
    assert [job.id for job in ScoreMessage.parse(wake_up(ids)).jobs] == ids


@pytest.mark.parametrize(
    ("arguments", "says"),
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
def test_a_wrong_message_says_what_is_wrong(arguments: dict[str, object], says: str) -> None:
    with pytest.raises(MessageRejected) as rejection:
        ScoreMessage.parse(arguments)
    assert str(rejection.value).startswith(says)


def test_the_published_schema_is_the_one_in_force() -> None:
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    assert {**ScoreMessage.model_json_schema(), **EXTRA} == published


def test_the_published_schema_accepts_its_examples_and_refuses_nonsense() -> None:
    published = json.loads(SCHEMA.read_text(encoding="utf-8"))
    for example in published["examples"]:
        jsonschema.validate(example, published)
        ScoreMessage.parse(example)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"version": 1, "jobs": []}, published)


EXTRA = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "Plumbline message, version 1",
    "description": (
        "The keyword arguments (kwargs) of the Celery task plumbline.score, sent as JSON with "
        "the key prefix plumbline: on Redis, to the queue plumbline.score or, where it carries "
        f"more than {EXPRESS_MOST} texts, plumbline.bulk, so that single texts need not wait "
        "behind it."
    ),
    "examples": [
        {
            "version": 1,
            "source": "billing",
            "jobs": [
                {"text": "Your invoice is ready"},
                {"text": "WIN a prize now", "key": "mail-4711"},
                {"text": "See you at six", "deadline": "2030-01-01T00:00:00Z"},
            ],
        },
        {"version": 1, "jobs": [{"id": "6f1c1b0a-6f5e-4a51-9d0e-0b6d5b1f3c11"}]},
    ],
}
