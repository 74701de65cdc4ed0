"""The names a producer needs in Redis: the scoring task, its two queues, the key prefix."""

from __future__ import annotations

SCORE_TASK = "plumbline.score"
# The express queue: single jobs and small messages, which never wait behind a bulk load.
SCORE_QUEUE = "plumbline.score"
BULK_QUEUE = "plumbline.bulk"
EXPRESS_MAX_TEXTS = 4
# A prefix of its own, so that the shorter visibility timeout of another app on the same Redis does
# not apply.
KEY_PREFIX = "plumbline:"


def queue_for(texts: int) -> str:
    """Return the queue for a message with this number of texts."""
    return SCORE_QUEUE if texts <= EXPRESS_MAX_TEXTS else BULK_QUEUE
