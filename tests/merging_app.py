"""The worker app of `tests.poison_app`, which merges wake-ups however long a text takes.

On a busy machine every text may be slow: `-A tests.merging_app`.
"""

from math import inf

from tests.poison_app import app
from worker.broker import merged_wake_ups

__all__ = ["app"]

merged_wake_ups.SLOW_S = inf
