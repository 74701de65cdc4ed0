"""The order in which a worker reads its queues."""

from __future__ import annotations

from kombu.utils.scheduling import round_robin_cycle

from plumbline.queues import BULK_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE

ORDER = {UPKEEP_QUEUE: 0, SCORE_QUEUE: 1, BULK_QUEUE: 2}


class StrictOrder(round_robin_cycle):  # type: ignore[misc]
    """Sweeps before express messages, express before bulk, other queues last.

    With round robin, a sweep could wait behind long texts, and an express message would wait behind
    every second message of a bulk load.
    """

    def consume(self, n: int) -> list[str]:
        return sorted(super().consume(n), key=lambda queue: ORDER.get(queue, len(ORDER)))
