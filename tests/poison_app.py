"""A worker like any other, `-A tests.poison_app`, but its scorer obeys what `tests.poison` says."""

from tests.poison import load
from worker.celery import app
from worker.pool import process

__all__ = ["app"]

process.load_scorer = load
