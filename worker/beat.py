"""Beat's scheduler: Celery's setting `beat_schedule`, measured with a clock that cannot be set.

Celery's own scheduler keeps the time of each task's last run in a file. After the machine's clock
was ahead once, it sends nothing for as long as it was ahead. This one needs no file.
"""

from __future__ import annotations

from typing import Any

from celery import beat

from worker.celery import services
from worker.periodic import periodic_tasks_of
from worker.periodic_sender import PeriodicSender


class Scheduler(beat.Scheduler):  # type: ignore[misc]
    def setup_schedule(self) -> None:
        self._sender = PeriodicSender(periodic_tasks_of(self.app.conf.beat_schedule), services)

    def tick(self, *_: Any, **__: Any) -> float:
        wait_s: float = min(self._sender.send_due(), self.max_interval)
        return wait_s

    def close(self) -> None:
        """Close the connections. Celery calls this at a signal and once more at the end."""
        self._sender.close()
        super().close()
