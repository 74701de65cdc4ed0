from __future__ import annotations

from collections import Counter

from worker.broker.shares import FIRST_ESTIMATE_S, Shares


def run(shares: Shares, lane: str, took_s: float) -> None:
    shares.end(shares.begin(lane), took_s)


def serve(shares: Shares, costs: dict[str, float], duration_s: float) -> Counter[str]:
    """Serve lanes that never run empty, one message at a time; return the time each one got."""
    used, total = Counter[str](), 0.0
    while total < duration_s:
        lane = shares.order(costs, now=0.0)[0]
        run(shares, lane, costs[lane])
        used[lane] += costs[lane]
        total += costs[lane]
    return used


def test_lanes_get_the_same_time_and_not_the_same_number_of_messages() -> None:
    used = serve(Shares(), {"long": 2.0, "short": 0.01, "middle": 0.3}, duration_s=300.0)
    assert all(98.0 < time < 102.0 for time in used.values()), used


def test_a_lane_that_was_empty_comes_next_and_claims_no_time_of_the_past() -> None:
    shares = Shares()
    for _ in range(1_000):
        run(shares, "busy", 0.1)
    assert shares.order(["busy", "idle"], now=0.0) == ["idle", "busy"]
    used = serve(shares, {"busy": 0.1, "idle": 0.1}, duration_s=10.0)
    assert used["busy"] > 4.5


def test_lanes_that_used_the_same_take_turns() -> None:
    shares = Shares()
    lanes = ["a", "b", "c"]
    for _ in range(3):
        run(shares, shares.order(lanes, now=0.0)[0], FIRST_ESTIMATE_S)
    assert shares.order(lanes, now=0.0) == lanes
    assert [lane.turn for lane in shares._lanes.values()] == [1, 2, 3]


def test_a_message_that_is_still_running_counts_with_its_time_so_far() -> None:
    shares = Shares()
    slow = shares.begin("slow")
    slow.started_at = 0.0
    run(shares, "fast", 1.0)
    assert shares.order(["slow", "fast"], now=0.5) == ["slow", "fast"]
    assert shares.order(["slow", "fast"], now=30.0) == ["fast", "slow"]


def test_the_next_message_is_charged_what_those_of_its_lane_took() -> None:
    shares = Shares()
    for _ in range(40):
        run(shares, "slow", 8.0)
    assert 7.9 < shares.begin("slow").charged_s <= 8.0
    assert shares.running == 1


def test_a_message_that_ends_before_it_starts_does_not_end_another_of_its_lane() -> None:
    """A rejected message ends at once; a worker with an equal one would end at its end."""
    shares = Shares()
    first, second = shares.begin("a"), shares.begin("a")
    shares.end(second, 0.0)
    first.started_at = 1.0
    shares.end(first, 0.1)
    assert shares.running == 0
