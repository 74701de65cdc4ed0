from __future__ import annotations

import itertools

from plumbline.queues import BULK_QUEUE, REPORT_QUEUE, SCORE_QUEUE, SUSPECT_QUEUE, UPKEEP_QUEUE
from plumbline_client.queues import bell, bound_list, lane, queue_of, with_priorities
from worker.broker.lanes import LEAST_SAVED_S, SHARE, WAITING_LISTS, Lanes

ALL = (SUSPECT_QUEUE, BULK_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Worker:
    """Processes one message at a time from lists whose messages take a known time."""

    def __init__(self, bound: tuple[str, ...] = (), queues: tuple[str, ...] = ALL) -> None:
        self.clock = Clock()
        self.bound = bound
        self.lanes = Lanes(lambda: self.bound, self.clock)
        self.lanes.read(queues)
        self._tags = map(str, itertools.count())

    def queues(self) -> list[str]:
        return list(dict.fromkeys(queue_of(name) for name in self.lanes.order()))

    def take(self, name: str) -> str:
        tag = next(self._tags)
        self.lanes.taken(tag, name)
        self.lanes.started(tag)
        return tag

    def process(self, name: str, took_s: float) -> None:
        tag = self.take(name)
        self.clock.now += took_s
        self.lanes.ended(tag)

    def serve(self, costs: dict[str, float], duration_s: float) -> dict[str, float]:
        """Serve lists that never run empty; return the time that each one got."""
        used = dict.fromkeys(costs, 0.0)
        while sum(used.values()) < duration_s:
            name = next(name for name in self.lanes.order() if name in costs)
            self.process(name, costs[name])
            used[name] += costs[name]
        return used


def test_sweeps_come_before_express_messages_bulk_messages_and_suspects() -> None:
    worker = Worker(queues=(*ALL, REPORT_QUEUE))
    assert worker.queues() == [
        UPKEEP_QUEUE,
        SCORE_QUEUE,
        BULK_QUEUE,
        REPORT_QUEUE,
        SUSPECT_QUEUE,
    ]


def test_a_low_priority_yields_to_other_queues_but_not_to_suspects() -> None:
    order = Worker().lanes.order()
    express, bulk = with_priorities(SCORE_QUEUE), with_priorities(BULK_QUEUE)
    places = [order.index(name) for name in (express[0], bulk[0], bulk[1], express[3])]
    assert places == sorted(places)
    assert order.index(express[3]) < order.index(lane(SUSPECT_QUEUE, 0))


def test_two_lanes_of_a_queue_share_the_time() -> None:
    flood, other = lane(SCORE_QUEUE, 1), lane(SCORE_QUEUE, 2)
    used = Worker().serve({flood: 0.5, other: 0.01}, duration_s=100.0)
    assert abs(used[flood] - used[other]) < 2.0


def test_lists_with_priorities_belong_to_the_lane_of_their_queue() -> None:
    urgent, lowest = SCORE_QUEUE, with_priorities(SCORE_QUEUE)[-1]
    assert Worker().serve({urgent: 0.1, lowest: 0.1}, duration_s=9.0)[lowest] == 0.0
    worker = Worker()
    worker.process(lowest, 1.0)
    assert worker.lanes.order()[-1] != urgent
    assert worker.lanes.order().index(urgent) > worker.lanes.order().index(lane(SCORE_QUEUE, 3))


def test_suspects_get_their_share_and_no_more() -> None:
    healthy, suspect = lane(BULK_QUEUE, 1), lane(SUSPECT_QUEUE, 1)
    used = Worker().serve({healthy: 0.3, suspect: 2.0}, duration_s=500.0)
    total = sum(used.values())
    assert 0.9 * SHARE < used[suspect] / total < SHARE


def test_bulk_messages_get_their_share_while_express_messages_never_end() -> None:
    express, bulk = lane(SCORE_QUEUE, 1), lane(BULK_QUEUE, 1)
    used = Worker().serve({express: 0.01, bulk: 0.5}, duration_s=300.0)
    assert 0.8 * SHARE < used[bulk] / sum(used.values()) < SHARE


def test_a_short_burst_of_express_messages_is_not_interrupted() -> None:
    express, bulk = lane(SCORE_QUEUE, 1), lane(BULK_QUEUE, 1)
    burst_s = 0.9 * LEAST_SAVED_S / SHARE
    assert Worker().serve({express: 0.01, bulk: 0.5}, duration_s=burst_s)[bulk] == 0.0


def test_a_queue_saves_nothing_while_it_is_empty() -> None:
    worker = Worker()
    express, suspect = lane(SCORE_QUEUE, 1), lane(SUSPECT_QUEUE, 1)
    worker.serve({express: 0.1}, duration_s=1_000.0)
    used = worker.serve({express: 0.1, suspect: 2.0}, duration_s=0.5 * LEAST_SAVED_S / SHARE)
    assert used[suspect] <= 2.0


def test_a_queue_saves_nothing_while_nothing_waits() -> None:
    worker = Worker()
    tag = worker.take(lane(SCORE_QUEUE, 1))
    worker.clock.now += 2 * LEAST_SAVED_S / SHARE
    worker.lanes.ended(tag)
    assert worker.queues().index(SUSPECT_QUEUE) < worker.queues().index(SCORE_QUEUE)
    worker.lanes.found_empty()
    assert worker.queues()[-1] == SUSPECT_QUEUE


def test_one_suspect_is_scored_at_a_time() -> None:
    worker = Worker()
    tag = worker.take(lane(SUSPECT_QUEUE, 1))
    assert SUSPECT_QUEUE not in worker.queues()
    assert bell(SUSPECT_QUEUE) not in worker.lanes.waits(), "it would wake the worker in a loop"
    assert worker.lanes.ended(tag), "the worker must look for the next suspect now"
    assert worker.queues()[-1] == SUSPECT_QUEUE


def test_a_crash_costs_its_lane_the_restart_of_the_process() -> None:
    worker = Worker()
    deadly, healthy = lane(SCORE_QUEUE, 1), lane(SCORE_QUEUE, 2)
    tag = worker.take(deadly)
    worker.lanes.crashed(tag, 5.0)
    worker.lanes.ended(tag)
    used = worker.serve({deadly: 0.1, healthy: 0.1}, duration_s=4.0)
    assert used[deadly] <= 0.2


def test_a_source_that_is_bound_gets_lists_of_its_own_at_once() -> None:
    worker = Worker(queues=(SCORE_QUEUE, BULK_QUEUE))
    assert bound_list(SCORE_QUEUE, "billing") not in worker.lanes.order()
    worker.bound = ("billing",)
    for queue in (SCORE_QUEUE, BULK_QUEUE):
        assert bound_list(queue, "billing") in worker.lanes.order()
        assert bound_list(queue, "billing") in worker.lanes.waits()
    used = worker.serve({bound_list(SCORE_QUEUE, "billing"): 0.1, SCORE_QUEUE: 0.1}, 10.0)
    assert all(4.5 < time < 5.5 for time in used.values())


def test_the_number_of_lists_that_are_waited_for_is_limited() -> None:
    worker = Worker(bound=tuple(f"source-{n}" for n in range(1_000)))
    waits = worker.lanes.waits()
    assert len(waits) == WAITING_LISTS
    assert {UPKEEP_QUEUE, SCORE_QUEUE, BULK_QUEUE, SUSPECT_QUEUE, *worker.lanes.bells()} < {*waits}


def test_a_message_of_a_list_that_is_no_longer_read_is_not_accounted() -> None:
    worker = Worker(bound=("billing",))
    worker.bound = ()
    worker.process(bound_list(SCORE_QUEUE, "billing"), 1.0)
    assert not worker.lanes.ended("unknown")
    worker.lanes.started("unknown")
    worker.lanes.crashed("unknown", 1.0)


def test_queues_that_stay_keep_their_account() -> None:
    worker = Worker()
    worker.process(lane(SCORE_QUEUE, 1), 10.0)
    worker.lanes.read((SCORE_QUEUE, BULK_QUEUE))
    assert worker.lanes.order()[0] != lane(SCORE_QUEUE, 1)
    assert UPKEEP_QUEUE not in worker.queues()
