from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from plumbline.messages import MessageRejected
from worker.broker.expiry import latest_deadline


@pytest.mark.parametrize(
    ("expires", "deadline"),
    [
        (None, None),
        ("", None),
        ("2026-05-01T12:00:00+00:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01T12:00:00Z", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        (
            "2026-05-01T14:00:00.5+02:00",
            datetime(2026, 5, 1, 14, 0, 0, 500_000, timezone(timedelta(hours=2))),
        ),
        ("2026-05-01T12:00:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
        ("2026-05-01", datetime(2026, 5, 1, tzinfo=UTC)),
    ],
)
def test_the_header_is_read_as_celery_reads_it(expires: Any, deadline: datetime | None) -> None:
    assert latest_deadline(expires) == deadline


@pytest.mark.parametrize("expires", ["soon", 5, 1.5, ["2026-05-01"], {"at": 1}])
def test_a_header_that_is_no_time_is_rejected(expires: Any) -> None:
    with pytest.raises(MessageRejected, match=r"^expires: it is not an ISO 8601 time$"):
        latest_deadline(expires)
