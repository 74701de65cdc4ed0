"""The worker app in a process whose clock is wrong: `celery -A tests.skewed_app worker` or `beat`.

The variable of `tests.skewed_clock` has the offset.
"""

from tests import skewed_clock

skewed_clock.start_from_environment()

from worker.celery import app  # noqa: E402

__all__ = ["app"]
