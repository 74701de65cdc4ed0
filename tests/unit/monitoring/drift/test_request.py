from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from monitoring.drift.request import ReferenceKind, ReportRequest
from plumbline.messages import MessageRejected


def test_what_is_not_said_is_the_settings_own() -> None:
    assert ReportRequest.parse({"source": None}, "id") == ReportRequest(task_id="id")


def test_arguments_become_their_types() -> None:
    request = ReportRequest.parse(
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
    ("arguments", "told"),
    [
        ({"since": "yesterday"}, "since is no ISO 8601 time: 'yesterday'"),
        ({"since": 5}, "since is 5, which is no str"),
        ({"last": 0}, "last is 0, and a window holds at least 1 prediction"),
        ({"last": True}, "last is True, which is no int"),
        ({"reference": "moon"}, "reference is 'moon', and must be one of profile, window"),
        ({"sauce": "mail"}, "sauce is no argument of a report; it has source, since, last"),
    ],
)
def test_what_is_wrong_is_said(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(MessageRejected, match=told):
        ReportRequest.parse(arguments)
