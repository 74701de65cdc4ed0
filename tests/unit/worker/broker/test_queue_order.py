from plumbline.queues import BULK_QUEUE, EXPRESS_MAX_TEXTS, SCORE_QUEUE, UPKEEP_QUEUE, queue_for
from worker.broker.queue_order import StrictOrder


def test_a_worker_asks_in_the_same_order_whatever_came_last() -> None:
    order = StrictOrder()
    order.update(["theirs", BULK_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE])
    for last in (BULK_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE, "theirs"):
        assert order.consume(4) == [UPKEEP_QUEUE, SCORE_QUEUE, BULK_QUEUE, "theirs"]
        order.rotate(last)


def test_small_messages_are_express() -> None:
    assert queue_for(1) == queue_for(EXPRESS_MAX_TEXTS) == SCORE_QUEUE
    assert queue_for(EXPRESS_MAX_TEXTS + 1) == BULK_QUEUE
