"""A worker like any other, `-A tests.poison_app`, but its scorer obeys what `tests.poison` says."""

from tests.poison import load
from worker import process
from worker.celery import app

__all__ = ["app"]

process.load_scorer = load
