from __future__ import annotations

import pytest

from worker.telemetry.clock import ClockCheck


def test_a_wrong_clock_is_logged_once_until_it_is_right(caplog: pytest.LogCaptureFixture) -> None:
    clock = ClockCheck()
    for ahead_s in (0.2, -0.3, 3_600.0, 3_601.0, -8.0, 0.1, 0.2, -8.0):
        clock.observe(ahead_s)
    first, again, second = [record.getMessage() for record in caplog.records]
    assert first.startswith("this machine's clock is 3,600 s ahead of Redis's; ")
    assert again == "this machine's clock agrees with Redis's again"
    assert second.startswith("this machine's clock is 8 s behind Redis's; ")
