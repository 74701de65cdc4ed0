"""Questions to Redis: does it respond, does it accept writes, how long are the queues."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import redis

from plumbline.queues import KEY_PREFIX, SCORING_QUEUES
from plumbline_client.broker import connect_redis, translate_redis_errors
from plumbline_client.errors import BrokerRefuses, BrokerUnavailable
from plumbline_client.queues import bound_list, lanes, with_priorities

PROBE = KEY_PREFIX + "probe"
# How often to ask a Redis that refuses, and how often to report the same answer.
ASK_EVERY_S = 1.0
REPORT_EVERY_S = 30.0


def queue_depth(url: str, *queues: str, bound: Sequence[str] = ()) -> int:
    """Return the number of messages (not texts) in these queues, by default in the scoring queues.

    `bound` are the sources with lists of their own. Raises `BrokerUnavailable`.
    """
    lists = [
        name
        for queue in queues or SCORING_QUEUES
        for name in (
            *with_priorities(queue),
            *lanes(queue),
            *(part for source in bound for part in with_priorities(bound_list(queue, source))),
        )
    ]
    with (
        translate_redis_errors(url),
        connect_redis(url) as connection,
        connection.pipeline(transaction=False) as pipeline,
    ):
        for name in lists:
            pipeline.llen(KEY_PREFIX + name)
        return sum(pipeline.execute())


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
            if not error.may_pass:
                raise BrokerUnavailable(str(error)) from error
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
