"""Questions to Redis: does it respond, does it accept writes, how long are the queues."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import cast

import redis

from plumbline.queues import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE
from plumbline_client.broker import connect_redis, translate_redis_errors
from plumbline_client.broker_url_parser import masked_broker_url
from plumbline_client.errors import BrokerRefuses, BrokerUnavailable

PROBE = KEY_PREFIX + "probe"
# How often to ask a Redis that refuses, and how often to report the same answer.
ASK_EVERY_S = 1.0
REPORT_EVERY_S = 30.0
LOGIN = "correct the user and the password in PLUMBLINE_BROKER_URL"
# Answers that do not pass by themselves, by a part of their words, and what to do.
CURES = {
    "NOAUTH": LOGIN,
    "WRONGPASS": LOGIN,
    "invalid password": LOGIN,
    "without any password": "remove the password from PLUMBLINE_BROKER_URL",
    "no password is set": "remove the password from PLUMBLINE_BROKER_URL",
    "NOPERM": "allow the user all commands but the dangerous ones, with "
    f"`ACL SETUSER … ~{KEY_PREFIX}* &{KEY_PREFIX}* +@all -@dangerous`",
    "unknown command": "use Redis 6.2 or later",
    "DB index": "use one of its database numbers in PLUMBLINE_BROKER_URL",
    "DENIED": "let it accept connections from this machine",
    "NOPROTO": "use Redis 6.2 or later",
}


def queue_depth(url: str, *queues: str) -> int:
    """Return the number of messages (not texts) in these queues, by default in the scoring queues.

    Raises `BrokerUnavailable`.
    """
    with translate_redis_errors(url), connect_redis(url) as connection:
        return sum(
            cast(int, connection.llen(KEY_PREFIX + queue))
            for queue in queues or (SCORE_QUEUE, BULK_QUEUE)
        )


def ping(url: str) -> None:
    """Raise `BrokerUnavailable` unless Redis responds."""
    with translate_redis_errors(url), connect_redis(url) as connection:
        connection.ping()


def check_writable(url: str) -> None:
    """Raise `BrokerUnavailable` unless Redis accepts a message."""
    with translate_redis_errors(url), connect_redis(url) as connection:
        connection.set(PROBE, "", px=1)


def check_takes(url: str) -> None:
    """Raise `BrokerUnavailable` unless a worker can take messages, even if Redis is full.

    This asks for what taking needs: to remove from a list, to run a script, and the command with
    which a worker waits.
    """
    with translate_redis_errors(url), connect_redis(url) as connection:
        with connection.pipeline(transaction=False) as pipeline:
            pipeline.rpop(PROBE + ".list")
            pipeline.eval("return 1", 0)
            pipeline.lmove(PROBE + ".list", PROBE + ".list", "RIGHT", "RIGHT")
            answers = pipeline.execute(raise_on_error=False)
        for answer in answers:
            # A full Redis still gives away what it has.
            if isinstance(answer, Exception) and not isinstance(answer, redis.OutOfMemoryError):
                raise answer


def cure(answer: str) -> str | None:
    """Return what to do about an answer of Redis that does not pass by itself, otherwise None."""
    return next((what for words, what in CURES.items() if words in answer), None)


def wait_until_usable(
    url: str, report: Callable[[str], None], pause: Callable[[float], None] = time.sleep
) -> None:
    """Wait while Redis answers with an error that may pass, and report it as a sentence.

    Raises `BrokerUnavailable` if the error cannot pass, or if Redis does not answer at all.
    """
    reported, reported_at = "", 0.0
    while True:
        try:
            return check_takes(url)
        except BrokerRefuses as error:
            remedy = cure(error.answer)
            if remedy is not None:
                raise BrokerUnavailable(
                    f"Redis at {masked_broker_url(url)} refuses: {error.answer.rstrip('.')}; "
                    f"{remedy}."
                ) from error
            sentence = str(error)
        except BrokerUnavailable as error:
            # A server that is being replaced may be away for a moment.
            if not reported:
                raise
            sentence = str(error)
        if sentence != reported or time.monotonic() - reported_at >= REPORT_EVERY_S:
            report(sentence)
            reported, reported_at = sentence, time.monotonic()
        pause(ASK_EVERY_S)
