from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from training.evaluation import threads
from training.evaluation.threads import map_in_threads, threads_for

PATIENCE_S = 30.0


def test_results_are_in_the_order_of_the_items(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "BATCH", 3)
    second_started = threading.Event()

    def slow_first(item: int) -> int:
        if item == 0:
            assert second_started.wait(PATIENCE_S)
        second_started.set()
        return 10 * item

    results = map_in_threads([slow_first, slow_first], range(10))
    assert list(results) == [10 * item for item in range(10)]


def test_a_function_is_used_by_one_thread_at_a_time() -> None:
    def exclusive() -> Callable[[int], int]:
        in_use = threading.Lock()

        def function(item: int) -> int:
            assert in_use.acquire(blocking=False)
            try:
                return item
            finally:
                in_use.release()

        return function

    assert list(map_in_threads([exclusive() for _ in range(4)], range(500))) == list(range(500))


def test_a_single_function_needs_no_thread() -> None:
    def name(_: int) -> str:
        return threading.current_thread().name

    assert set(map_in_threads([name], range(3))) == {threading.current_thread().name}


def test_an_error_ends_the_work() -> None:
    scored: list[int] = []

    def fail_on_third(item: int) -> int:
        if item == 2:
            raise ValueError("broken")
        scored.append(item)
        return item

    with pytest.raises(ValueError, match="broken"):
        list(map_in_threads([fail_on_third, fail_on_third], range(threads.BATCH * 2)))
    assert len(scored) < threads.BATCH, "the next batch did not start"


@pytest.mark.parametrize(
    ("texts", "cores", "expected"), [(10_000, 2, 2), (10_000, 64, 8), (120, 8, 2), (10, 8, 1)]
)
def test_threads_follow_cores_and_texts(
    texts: int, cores: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "usable_cores", lambda: cores)
    assert threads_for(texts) == expected
