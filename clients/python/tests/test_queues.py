from plumbline_client.queues import BULK_QUEUE, EXPRESS_MAX_TEXTS, SCORE_QUEUE, queue_for


def test_small_messages_travel_through_the_express_queue() -> None:
    assert queue_for(1) == queue_for(EXPRESS_MAX_TEXTS) == SCORE_QUEUE
    assert queue_for(EXPRESS_MAX_TEXTS + 1) == BULK_QUEUE
