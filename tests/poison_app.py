"""The worker app with a scorer that obeys the texts of `tests.poison`: `-A tests.poison_app`."""

from tests.poison import load
from worker.celery import app
from worker.pool import process

__all__ = ["app"]

process.load_scorer = load
