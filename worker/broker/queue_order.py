"""Which queue a worker asks first."""

from __future__ import annotations

from kombu.utils.scheduling import round_robin_cycle

from plumbline.queues import BULK_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE

ORDER = {UPKEEP_QUEUE: 0, SCORE_QUEUE: 1, BULK_QUEUE: 2}


class StrictOrder(round_robin_cycle):  # type: ignore[misc]
    """Sweeps before single texts, single texts before bulk, the rest last.

    In turn with them, a sweep would wait behind long texts until it expired, and the next as well,
    and a single text behind every second message of a bulk load.
    """

    def consume(self, n: int) -> list[str]:
        return sorted(super().consume(n), key=lambda queue: ORDER.get(queue, len(ORDER)))
