"""Deadlines of calls that cross a network: of one exchange, and of everything a call does.

A server can accept a connection and then answer nothing, or one byte per second, so a timeout of
each step does not bound the sum of them.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, wait
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from time import monotonic
from typing import TypeVar, overload

T = TypeVar("T")
# Even a call whose time is over may ask a server that answers at once.
SHORTEST_S = 0.5
# Threads that may wait for calls which were given up, such as a resolver that hangs.
MAX_ABANDONED = 32

_deadline: ContextVar[float | None] = ContextVar("plumbline_deadline", default=None)
_abandoned = threading.BoundedSemaphore(MAX_ABANDONED)


@contextmanager
def time_limit(limit_s: float | None) -> Iterator[None]:
    """Bound everything that the block does with a server; None adds no bound.

    A limit of less than `SHORTEST_S` counts as that. Blocks may be nested; the earliest end counts.
    """
    if limit_s is None:
        yield
        return
    ends_at, outer = monotonic() + max(limit_s, SHORTEST_S), _deadline.get()
    token = _deadline.set(ends_at if outer is None else min(ends_at, outer))
    try:
        yield
    finally:
        _deadline.reset(token)


@overload
def remaining_s(at_most: float) -> float: ...
@overload
def remaining_s(at_most: float | None = None) -> float | None: ...
def remaining_s(at_most: float | None = None) -> float | None:
    """Return how long the next step may take: until the end of the block, or `at_most`."""
    ends_at = _deadline.get()
    if ends_at is None:
        return at_most
    left_s = max(0.0, ends_at - monotonic())
    return left_s if at_most is None else min(at_most, left_s)


def call_within(
    limit_s: float, function: Callable[[], T], dispose: Callable[[T], object] | None = None
) -> T:
    """Call `function`, which nothing can interrupt, in a thread; wait for at most `limit_s`.

    A result that comes later goes to `dispose`. Raises TimeoutError.
    """
    if not _abandoned.acquire(blocking=False):
        raise TimeoutError(f"{MAX_ABANDONED} earlier calls still wait for an answer")
    result: Future[T] = Future()
    slots, context = _abandoned, copy_context()

    def run() -> None:
        try:
            result.set_result(context.run(function))
        except BaseException as error:
            result.set_exception(error)
        finally:
            slots.release()

    def discard(late: Future[T]) -> None:
        if dispose is not None and late.exception() is None:
            dispose(late.result())

    threading.Thread(target=run, name="bounded-call", daemon=True).start()
    try:
        wait([result], limit_s)
    except BaseException:
        result.add_done_callback(discard)
        raise
    if not result.done():
        result.add_done_callback(discard)
        raise TimeoutError(f"no answer within {limit_s:.3g} s")
    return result.result()


def _forget_abandoned() -> None:
    """The threads of the parent do not exist in its child."""
    global _abandoned
    _abandoned = threading.BoundedSemaphore(MAX_ABANDONED)


os.register_at_fork(after_in_child=_forget_abandoned)
