from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from plumbline.messages import MessageRejected
from worker.broker.message_times import header_time


@pytest.mark.parametrize(
    ("value", "time"),
    [
        ("2026-05-01T12:00:00+00:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T12:00:00Z", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T14:00:00.5+02:00", datetime(2026, 5, 1, 12, 0, 0, 500_000, UTC)),
        ("2026-05-01T12:00:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
    ],
)
def test_a_header_is_read_as_celery_reads_it(value: str, time: datetime) -> None:
    assert header_time("expires", value) == time


@pytest.mark.parametrize(
    "value",
    [
        *(
            "",
            "soon",
            "2026-99-99",
            "\x1b[2J",
            "9999-12-31T23:59:59-23:59",
            "0001-01-01T00:00+23:59",
        ),
        *(5, 1.5, True, float("inf"), ["2026-05-01"], {"at": 1}),
    ],
)
def test_a_header_that_is_not_a_time_is_rejected(value: Any) -> None:
    with pytest.raises(MessageRejected, match=r"^eta: it is not an ISO 8601 time$"):
        header_time("eta", value)
