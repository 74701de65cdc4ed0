import logging
from typing import Any

import pytest

from plumbline.messages import MessageRejected
from worker.broker.rejection import id_of, log_rejection


def said(caplog: pytest.LogCaptureFixture, task_id: Any, error: Exception) -> str:
    with caplog.at_level(logging.ERROR):
        log_rejection(task_id, error)
    (record,) = caplog.records
    return record.getMessage()


def test_a_rejection_names_the_message_and_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    line = said(caplog, "m-1", MessageRejected("jobs: Field required"))
    assert line == "message m-1 is rejected: jobs: Field required"


@pytest.mark.parametrize("task_id", [None, 7, "", "x" * 201, "a b", "a\nb", "\ud800", ["m"]])
def test_an_id_that_a_line_cannot_show_is_left_out(
    caplog: pytest.LogCaptureFixture, task_id: Any
) -> None:
    line = said(caplog, task_id, MessageRejected("why"))
    assert line == "what is no message is rejected: why"


def test_an_error_that_is_none_of_ours_is_named(caplog: pytest.LogCaptureFixture) -> None:
    assert said(caplog, "m", KeyError("id")) == "message m is rejected: KeyError('id')"


@pytest.mark.parametrize("headers", [None, 7, [], "text", {}, {"ID": "m"}])
def test_headers_without_an_id_have_none(headers: Any) -> None:
    assert id_of(headers) is None
    assert id_of({"id": "m"}) == "m"
