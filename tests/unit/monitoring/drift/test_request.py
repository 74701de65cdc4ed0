from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.drift.request import DriftReportRequest
from plumbline.messages import MessageRejected
from storage.states import ReferenceKind


def test_missing_arguments_are_left_to_the_settings() -> None:
    assert DriftReportRequest.parse({"source": None}, "id") == DriftReportRequest(task_id="id")


def test_arguments_are_converted() -> None:
    request = DriftReportRequest.parse(
        {
            "since": "2026-11-24T12:00:00+01:00",
            "last": 500,
            "reference": "window",
            "reference_until": "2026-11-01",
            "text": True,
        }
    )
    assert request.since == datetime(2026, 11, 24, 11, tzinfo=UTC)
    assert request.reference is ReferenceKind.WINDOW
    # A time without a zone is UTC.
    assert request.reference_until == datetime(2026, 11, 1, tzinfo=UTC)
    assert (request.last, request.text, request.by_source) == (500, True, False)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ({"since": "yesterday"}, "since is not an ISO 8601 time: 'yesterday'"),
        ({"since": 5}, "since is 5, but it must be of type str"),
        ({"last": 0}, "last is 0, but it must be at least 1"),
        ({"last": True}, "last is True, but it must be of type int"),
        ({"reference": "moon"}, "reference is 'moon', but it must be one of profile, window"),
        (
            {"sauce": "mail"},
            "sauce is not an argument of a drift report; the arguments are source, since, last",
        ),
    ],
)
def test_invalid_argument_is_rejected_with_the_reason(
    arguments: dict[str, Any], reason: str
) -> None:
    with pytest.raises(MessageRejected, match=reason):
        DriftReportRequest.parse(arguments)
