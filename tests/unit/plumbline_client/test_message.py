"""A message built by the client equals Celery's own, as far as a worker reads it."""

from __future__ import annotations

import json
from typing import Any

from celery import Celery
from kombu.transport.virtual import Channel, Message

from plumbline_client.message import celery_message

ARGUMENTS = {"version": 1, "jobs": [{"id": "7d1f7f5c"}], "word": "naïve \N{PARTY POPPER}"}
SENT = celery_message("plumbline.score", ARGUMENTS, "plumbline.score", "an-id")


class Decoding:
    """The part of a kombu channel that decodes a message body."""

    decode_body = Channel.decode_body
    codecs = Channel.codecs
    body_encoding = Channel.body_encoding


def received(raw: str) -> Message:
    return Message(json.loads(raw), channel=Decoding(), accept={"application/json"})


def celery_headers() -> dict[str, Any]:
    app = Celery("sender", set_as_current=False)
    headers: dict[str, Any] = app.amqp.as_task_v2(
        "an-id", "plumbline.score", kwargs=ARGUMENTS, root_id="an-id"
    ).headers
    return headers


def test_kombu_decodes_the_arguments() -> None:
    message = received(SENT)
    positional, named, embedded = message.payload
    assert positional == [] and named == ARGUMENTS
    assert set(embedded.values()) == {None}
    assert message.delivery_info == {"exchange": "", "routing_key": "plumbline.score"}


def test_headers_equal_those_of_celery() -> None:
    headers = received(SENT).headers
    expected = celery_headers()
    assert headers == {name: expected[name] for name in headers}
    # The headers that the client omits have the value a worker assumes, except these three.
    omitted = {name: value for name, value in expected.items() if name not in headers}
    defaults = (None, 0, {}, [None, None])
    assert {name for name, value in omitted.items() if value not in defaults} == {
        "argsrepr",
        "kwargsrepr",
        "origin",
    }


def test_every_message_has_its_own_delivery_tag() -> None:
    again = celery_message("plumbline.score", ARGUMENTS, "plumbline.score", "an-id")
    assert received(SENT).delivery_tag != received(again).delivery_tag
