"""Evidently's comparison of the shipped model's profile with a window."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from monitoring.drift.threshold import Thresholds
from monitoring.drift.window import Columns
from scoring.artifact.artifact import Artifact
from scoring.artifact.profile import Profile
from storage.states import JOINT_FEATURE
from tests.paths import CHECKOUT, MODELS


@pytest.fixture(scope="module")
def profile() -> Profile:
    return Artifact.load(MODELS / "sms-spam/1.0.0").profile()


def test_evidently_reports_the_scores_that_were_calibrated(profile: Profile) -> None:
    from monitoring.drift.comparison import Comparison
    from monitoring.drift.drift_score import Samples

    window: Columns = {name: values[:300] for name, values in profile.columns.items()}
    scores = Samples(profile.columns, window).scores()
    features = Comparison(profile.columns, window, Thresholds(7.0, 4.0)).features()
    assert {f.feature: f.score for f in features} == pytest.approx(
        {JOINT_FEATURE: scores.joint} | scores.columns, rel=1e-4, abs=1e-4
    )
    thresholds = {f.feature: f.threshold for f in features}
    assert thresholds == {JOINT_FEATURE: 7.0} | dict.fromkeys(window, 4.0)


def test_joint_drift_comes_first_and_methods_follow_the_kind_of_column() -> None:
    from monitoring.drift.comparison import Comparison

    columns: dict[str, Any] = {"decision": ["negative", "review"] * 5, "chars": [1.0, 2.0] * 5}
    comparison = Comparison(columns, columns, Thresholds(7.0, 4.0))
    assert [(f.feature, str(f.method), f.drifted) for f in comparison.features()] == [
        (JOINT_FEATURE, "all-columns", False),
        ("decision", "shares", False),
        ("chars", "mean-and-spread", False),
    ]


NO_NETWORK = """
import sys

def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"{event} {args}")

sys.addaudithook(refuse)
from monitoring.drift.comparison import Comparison
from monitoring.drift.threshold import Thresholds
columns = {"chars": [1.0, 2.0, 3.0], "decision": ["negative", "review", "review"]}
print(len(Comparison(columns, columns, Thresholds(7.0, 4.0)).html()))
print("evidently.telemetry" in sys.modules)
"""


def test_evidently_does_not_use_the_network() -> None:
    process = subprocess.run(
        [sys.executable, "-c", NO_NETWORK],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert process.returncode == 0, process.stderr
    size, telemetry = process.stdout.split()
    assert int(size) > 100_000
    assert telemetry == "False"
