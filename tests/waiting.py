"""Waiting for a condition instead of for a fixed time."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")
POLL_S = 0.05


def eventually(condition: Callable[[], T], timeout_s: float = 120.0, otherwise: str = "") -> T:
    """Return the condition's first true value; fail the test after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(otherwise or f"not true within {timeout_s:g} s: {condition}")
        time.sleep(POLL_S)
