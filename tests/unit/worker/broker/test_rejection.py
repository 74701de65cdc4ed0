import logging
from typing import Any

import pytest

from plumbline.messages import MessageRejected
from worker.broker.rejection import log_rejection, message_id


def logged_rejection(caplog: pytest.LogCaptureFixture, task_id: Any, error: Exception) -> str:
    with caplog.at_level(logging.ERROR):
        log_rejection(task_id, error)
    (record,) = caplog.records
    return record.getMessage()


def test_a_rejection_names_the_message_and_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    line = logged_rejection(caplog, "m-1", MessageRejected("jobs: Field required"))
    assert line == "message m-1 is rejected: jobs: Field required"


@pytest.mark.parametrize("task_id", [None, 7, "", "x" * 201, "a b", "a\nb", "\ud800", ["m"]])
def test_an_unprintable_id_is_left_out(caplog: pytest.LogCaptureFixture, task_id: Any) -> None:
    line = logged_rejection(caplog, task_id, MessageRejected("why"))
    assert line == "message without a valid id is rejected: why"


def test_a_foreign_error_is_logged_with_its_class(caplog: pytest.LogCaptureFixture) -> None:
    line = logged_rejection(caplog, "m", KeyError("id"))
    assert line == "message m is rejected: KeyError('id')"


@pytest.mark.parametrize("headers", [None, 7, [], "text", {}, {"ID": "m"}])
def test_headers_without_an_id_yield_none(headers: Any) -> None:
    assert message_id(headers) is None
    assert message_id({"id": "m"}) == "m"
