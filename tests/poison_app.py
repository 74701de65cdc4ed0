"""The worker app with a scorer that obeys the texts of `tests.poison`: `-A tests.poison_app`.

Its clock is wrong if the variable of `tests.skewed_clock` is set.
"""

from tests import skewed_clock
from tests.poison import load

skewed_clock.start_from_environment()

from worker.celery import app  # noqa: E402
from worker.pool import process  # noqa: E402

__all__ = ["app"]

process.load_scorer = load
