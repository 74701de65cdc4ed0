from plumbline.queues import BULK_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE
from worker.broker.queue_order import StrictOrder


def test_the_order_does_not_depend_on_the_queue_read_last() -> None:
    order = StrictOrder()
    order.update(["other", BULK_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE])
    for last in (BULK_QUEUE, SCORE_QUEUE, UPKEEP_QUEUE, "other"):
        assert order.consume(4) == [UPKEEP_QUEUE, SCORE_QUEUE, BULK_QUEUE, "other"]
        order.rotate(last)
