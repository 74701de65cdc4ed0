import time

import pytest

from plumbline_client.pause import pause


def test_a_pause_needs_no_sleep(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(seconds: float) -> None:
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(time, "sleep", fail)
    started = time.monotonic()
    pause(0.01)
    assert time.monotonic() - started >= 0.01
