"""The names of tasks and queues, and which task travels through which queue.

The names that producers need have their home in `plumbline_client.queues`.
"""

from __future__ import annotations

from plumbline_client.queues import (
    BULK_QUEUE,
    EXPRESS_MAX_TEXTS,
    KEY_PREFIX,
    SCORE_QUEUE,
    SCORE_TASK,
    SCORING_QUEUES,
    SUSPECT_QUEUE,
    queue_for,
)

__all__ = [
    "ALERTS_TASK",
    "BULK_QUEUE",
    "DRIFT_TASK",
    "EXPRESS_MAX_TEXTS",
    "KEY_PREFIX",
    "LABEL_TASK",
    "PURGE_TASK",
    "QUALITY_TASK",
    "REPORT_QUEUE",
    "SCORE_QUEUE",
    "SCORE_TASK",
    "SCORING_QUEUES",
    "SUSPECT_QUEUE",
    "SWEEP_TASK",
    "UPKEEP_QUEUE",
    "queue_for",
]

LABEL_TASK = "plumbline.label"
# The sweeper and the reports have queues of their own: neither waits behind texts, and a process
# that scores never imports Evidently (330 MB).
UPKEEP_QUEUE = "plumbline.upkeep"
SWEEP_TASK = "plumbline.sweep"
REPORT_QUEUE = "plumbline.reports"
DRIFT_TASK = "plumbline.drift"
QUALITY_TASK = "plumbline.quality"
ALERTS_TASK = "plumbline.alerts"
PURGE_TASK = "plumbline.purge"
