"""Texts that are scored at the same time, one per core."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from queue import SimpleQueue
from typing import TypeVar

from scoring.runtime.cores import usable_cores

T = TypeVar("T")
R = TypeVar("R")
# Each thread loads the model once more, which the spec model's 57 MB make worth it up to here.
MAX_THREADS = 8
# For fewer texts, loading it takes longer than they do.
TEXTS_PER_THREAD = 50
# Texts that wait for a thread, so that a large split does not fill the memory with its tasks.
BATCH = 1_000


def threads_for(texts: int) -> int:
    """Return how many threads score this number of texts on the cores of this process."""
    return max(1, min(usable_cores(), MAX_THREADS, texts // TEXTS_PER_THREAD))


def map_in_threads(functions: Collection[Callable[[T], R]], items: Collection[T]) -> Iterator[R]:
    """Yield a function's result for each item, in order; one thread at a time uses each function.

    Runtimes release the interpreter while they compute, and each computes a text as it does alone.
    """
    free: SimpleQueue[Callable[[T], R]] = SimpleQueue()
    for function in functions:
        free.put(function)

    def call(item: T) -> R:
        function = free.get()
        try:
            return function(item)
        finally:
            free.put(function)

    if len(functions) == 1:
        yield from map(call, items)
        return
    remaining = iter(items)
    with ThreadPoolExecutor(len(functions)) as executor:
        while batch := list(islice(remaining, BATCH)):
            yield from executor.map(call, batch)
