"""The worker app with a scorer that computes nothing: `-A benchmarks.pipeline.fake_app`."""

from benchmarks.pipeline.fake_scorer import FakeScorer
from worker.celery import app
from worker.pool import process

__all__ = ["app"]

process.load_scorer = FakeScorer.load
