"""`plumbline status --watch`."""

from __future__ import annotations

import json
import signal

from tests.command import TIMEOUT_S, Cli


def test_status_is_refreshed_until_ctrl_c(cli: Cli) -> None:
    with cli.start("status", "--watch", "--every", "0.2", "--json") as process:
        assert process.stdout is not None
        refreshes = [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=TIMEOUT_S)
    assert process.returncode == 130
    assert errors == b""
    assert all(status["ok"] and status["workers"] == [] for status in refreshes)
