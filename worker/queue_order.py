"""Which queue a worker asks first."""

from __future__ import annotations

from kombu.utils.scheduling import round_robin_cycle

from plumbline.messages import UPKEEP_QUEUE


class UpkeepFirst(round_robin_cycle):  # type: ignore[misc]
    """Sweeps before texts, the other queues in turn.

    In turn with them, a sweep would wait behind long texts until it expired, and the next as well.
    """

    def consume(self, n: int) -> list[str]:
        return sorted(super().consume(n), key=lambda queue: queue != UPKEEP_QUEUE)
