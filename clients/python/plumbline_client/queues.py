"""The names a producer needs in Redis: the scoring task, its queues and their lists, the prefix.

A queue is a family of lists. The list with the queue's own name takes the messages of producers
that know nothing else. Our own publishers use its lanes, `<queue>#<n>`: a source always uses the
same lane, and workers give each lane the same time. A source that an operator bound to queues has
a list of its own, `<queue>@<source>`.
"""

from __future__ import annotations

import re
import zlib

SCORE_TASK = "plumbline.score"
# The express queue: messages that are scored within about half a second. They never wait behind a
# bulk load.
SCORE_QUEUE = "plumbline.score"
BULK_QUEUE = "plumbline.bulk"
# Texts that ended the process which scored them. Every other text is scored first.
SUSPECT_QUEUE = "plumbline.suspects"
# In the order in which workers read them.
SCORING_QUEUES = (SCORE_QUEUE, BULK_QUEUE, SUSPECT_QUEUE)
# A prefix of its own, so that the shorter visibility timeout of another app on the same Redis does
# not apply.
KEY_PREFIX = "plumbline:"
LANES = 16
# A thousand bytes take about 0.1 s to score. The shortest text takes as long as a hundred bytes,
# with its share of the message's statements. Bytes, because an ideograph of three bytes takes as
# long as three letters.
EXPRESS_MAX_BYTES = 5_000
SHORTEST_BYTES = 100
EXPRESS_MAX_TEXTS = EXPRESS_MAX_BYTES // SHORTEST_BYTES
# Separates the name of a queue from the rest of the name of a list; kombu appends the last one and
# a priority.
_LANE, _SOURCE, _PRIORITY = "#", "@", "\x06\x16"
_QUEUE = re.compile(f"[^{_LANE}{_SOURCE}{_PRIORITY}]*")
_BELL = "bell"
_LISTED = re.compile(r"[A-Za-z0-9._-]{1,100}")
# kombu's: a priority of 0 has no suffix, and each other one is rounded down to one of these.
PRIORITIES = (3, 6, 9)


def queue_for(texts: int, size: int = 0) -> str:
    """Return the queue for a message with this number of texts and of bytes in UTF-8."""
    return SCORE_QUEUE if max(size, texts * SHORTEST_BYTES) <= EXPRESS_MAX_BYTES else BULK_QUEUE


def lane_of(source: str) -> int:
    return zlib.crc32(source.encode("utf-8", "surrogatepass")) % LANES


def lane(queue: str, number: int) -> str:
    """Return the list of a lane, without the key prefix, as all functions of this module do."""
    return f"{queue}{_LANE}{number}"


def lanes(queue: str) -> list[str]:
    return [lane(queue, number) for number in range(LANES)]


def bound_list(queue: str, source: str) -> str:
    """Return the list of a source that an operator bound to queues."""
    return f"{queue}{_SOURCE}{source}"


def with_priorities(list_name: str) -> list[str]:
    """Return the list and those in which kombu puts messages with a priority, in their order."""
    return [list_name, *(f"{list_name}{_PRIORITY}{step}" for step in PRIORITIES)]


def bell(queue: str) -> str:
    """Return the list that wakes idle workers: each message in a lane adds an element to it."""
    return f"{queue}{_LANE}{_BELL}"


def queue_of(list_name: str) -> str:
    """Return the queue of a list."""
    match = _QUEUE.match(list_name)
    assert match is not None, "the expression matches the empty string"
    return match[0]


def source_of(list_name: str) -> str | None:
    """Return the source whose own list this is; None for a list that any producer may use."""
    _, _, source = list_name.partition(_PRIORITY)[0].partition(_SOURCE)
    return source or None


def has_list(source: str) -> bool:
    """Return whether a source can have a list of its own, by the characters of its name."""
    return _LISTED.fullmatch(source) is not None
