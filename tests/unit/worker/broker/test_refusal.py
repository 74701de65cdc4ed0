from __future__ import annotations

import logging

import pytest

from worker.broker.refusal import LOG_EVERY_S, LONGEST_PAUSE_S, Refusals

LOG = logging.getLogger(__name__)


def test_each_new_reason_is_logged_once_and_again_after_a_while(
    caplog: pytest.LogCaptureFixture,
) -> None:
    refusals = Refusals(LOG, "nothing is taken")
    for reason, now in [("OOM", 0.0), ("OOM", 1.0), ("READONLY", 2.0), ("READONLY", 3.0)]:
        refusals.add(reason, now)
    refusals.add("READONLY", 2.0 + LOG_EVERY_S)
    assert caplog.messages == ["nothing is taken: OOM", *["nothing is taken: READONLY"] * 2]


def test_pauses_grow_up_to_a_limit_and_start_anew_after_a_success(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    refusals = Refusals(LOG, "nothing is taken")
    pauses = [refusals.add("OOM", float(n)) for n in range(20)]
    assert pauses[0] <= 0.5 and max(pauses) <= LONGEST_PAUSE_S and pauses[-1] >= 2.5
    refusals.end()
    refusals.end()
    assert caplog.messages[1:] == ["over: nothing is taken"]
    assert refusals.add("OOM", 21.0) <= 0.5
