from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from plumbline_client import deadline
from plumbline_client.deadline import SHORTEST_S, call_within, remaining_s, time_limit


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """Yield an event that ends the calls which a test has given up."""
    event = threading.Event()
    yield event
    event.set()


def test_without_a_time_limit_a_step_has_its_own() -> None:
    assert remaining_s() is None
    assert remaining_s(5.0) == 5.0
    with time_limit(None):
        assert remaining_s() is None


def test_the_earliest_end_of_nested_limits_counts() -> None:
    with time_limit(60.0):
        left_s = remaining_s()
        assert left_s is not None and 0.0 < left_s <= 60.0
        with time_limit(600.0):
            assert remaining_s(300.0) <= 60.0
        with time_limit(10.0):
            assert remaining_s(300.0) <= 10.0
        assert remaining_s(1.0) == 1.0
    assert remaining_s() is None


def test_the_shortest_limit_still_lets_a_server_answer() -> None:
    with time_limit(0.0):
        assert 0.0 < remaining_s(60.0) <= SHORTEST_S


def test_a_limit_is_that_of_the_thread_and_of_the_calls_it_makes() -> None:
    with time_limit(10.0):
        assert call_within(5.0, lambda: remaining_s(60.0)) <= 10.0
        seen: list[float | None] = []
        other = threading.Thread(target=lambda: seen.append(remaining_s()))
        other.start()
        other.join()
    assert seen == [None]


def test_a_call_returns_or_raises_what_its_function_does() -> None:
    assert call_within(60.0, lambda: 7) == 7
    with pytest.raises(ZeroDivisionError):
        call_within(60.0, lambda: 1 / 0)


def test_a_late_result_is_disposed_of(release: threading.Event) -> None:
    disposed, done = list[str](), threading.Event()

    def late() -> str:
        release.wait()
        return "late"

    def dispose(result: str) -> None:
        disposed.append(result)
        done.set()

    with pytest.raises(TimeoutError, match=r"no answer within 0\.01 s"):
        call_within(0.01, late, dispose)
    release.set()
    assert done.wait(10.0) and disposed == ["late"]


def test_calls_that_never_return_do_not_accumulate(
    release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(deadline, "_abandoned", threading.BoundedSemaphore(2))
    monkeypatch.setattr(deadline, "MAX_ABANDONED", 2)
    for _ in range(2):
        with pytest.raises(TimeoutError):
            call_within(0.0, release.wait)
    with pytest.raises(TimeoutError, match="2 earlier calls still wait"):
        call_within(60.0, lambda: 7)
