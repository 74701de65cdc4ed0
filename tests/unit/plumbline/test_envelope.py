"""What we push is what Celery would have pushed, as far as its workers look at it."""

from __future__ import annotations

import json
from typing import Any

from celery import Celery
from kombu.transport.virtual import Channel, Message

from plumbline_client.message import celery_message

ARGUMENTS = {"version": 1, "jobs": [{"id": "7d1f7f5c"}], "word": "naïve \N{PARTY POPPER}"}
SENT = celery_message("plumbline.score", ARGUMENTS, "plumbline.score", "an-id")


class Decoding:
    """The part of a channel that reads a message's body."""

    decode_body = Channel.decode_body
    codecs = Channel.codecs
    body_encoding = Channel.body_encoding


def received(raw: str) -> Message:
    return Message(json.loads(raw), channel=Decoding(), accept={"application/json"})


def celerys_headers() -> dict[str, Any]:
    app = Celery("sender", set_as_current=False)
    headers: dict[str, Any] = app.amqp.as_task_v2(
        "an-id", "plumbline.score", kwargs=ARGUMENTS, root_id="an-id"
    ).headers
    return headers


def test_kombu_reads_the_arguments_out_of_it() -> None:
    message = received(SENT)
    positional, named, embedded = message.payload
    assert positional == [] and named == ARGUMENTS
    assert set(embedded.values()) == {None}
    assert message.delivery_info == {"exchange": "", "routing_key": "plumbline.score"}


def test_each_header_says_what_celerys_says() -> None:
    ours = received(SENT).headers
    celerys = celerys_headers()
    assert ours == {name: celerys[name] for name in ours}
    # What we leave out is what a worker takes for granted.
    left_out = {name: value for name, value in celerys.items() if name not in ours}
    nothing = (None, 0, {}, [None, None])
    told = {name for name, value in left_out.items() if value not in nothing}
    assert told == {"argsrepr", "kwargsrepr", "origin"}


def test_no_two_messages_have_the_same_tag() -> None:
    again = celery_message("plumbline.score", ARGUMENTS, "plumbline.score", "an-id")
    assert received(SENT).delivery_tag != received(again).delivery_tag
