"""The worker app that logs how long each child took to start: `-A benchmarks.children_app`."""

import logging
from typing import Any

from celery.signals import worker_process_init

import worker.lifecycle  # its receiver comes first
from worker.celery import app
from worker.pool.process import START_COST

__all__ = ["app", "worker"]


@worker_process_init.connect
def log_start(**_: Any) -> None:
    logging.getLogger(__name__).info("child started in %.3f s", START_COST.seconds)
