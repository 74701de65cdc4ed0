"""The proof at the size of CI: everything is killed, nothing is lost or scored twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos.run import Size, run

TIMEOUT_S = 210.0


@pytest.mark.chaos
@pytest.mark.timeout(TIMEOUT_S + 60)
def test_accepted_jobs_are_scored_exactly_once_whatever_is_killed(tmp_path: Path) -> None:
    report = run(Size(jobs=1_500, kills=12, seed=1, timeout_s=TIMEOUT_S), tmp_path, print)
    print("\n".join(report.lines()))  # noqa: T201
    assert report.passed, report.audit.evidence()
    assert report.killed.total() == 12
    assert report.audit.poison == 3 and report.audit.late > 0
