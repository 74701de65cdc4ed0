"""Evidently's comparison of the shipped model's profile with a window."""

from __future__ import annotations

import json
import random
import re
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from monitoring.drift.page_content import page_content
from monitoring.drift.threshold import Thresholds
from monitoring.drift.verdict import FeatureDrift
from monitoring.drift.window import Columns
from scoring.artifact.artifact import Artifact
from scoring.artifact.profile import Profile
from storage.states import JOINT_FEATURE
from tests.drift_heading import heading
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


def small_comparison() -> Any:
    from monitoring.drift.comparison import Comparison

    draw = random.Random(3)
    reference = {"chars": [draw.gauss(9, 1) for _ in range(60)], "words": [1.0, 2.0] * 30}
    window = {"chars": [draw.gauss(99, 1) for _ in range(40)], "words": [1.0, 2.0] * 20}
    text = FeatureDrift("text", "abs_text_content_drift", 0.9, 0.6)
    return Comparison(reference, window, Thresholds(6.0, 4.0), [text])


def test_each_score_has_a_test_that_fails_if_it_exceeds_its_threshold() -> None:
    comparison = small_comparison()
    results = comparison.snapshot.dict()["tests"]
    failed = [str(result["status"]) == "TestStatus.FAIL" for result in results]
    assert failed == [feature.drifted for feature in comparison.features()]
    assert failed == [True, True, False, True]


def small_page(source: str, reference: str = "validation texts of m/1.0.0") -> str:
    from monitoring.drift.comparison import page_html

    comparison = small_comparison()
    histograms = {
        name: {"edges": [0.0, 1.0], "reference": [1.0], "window": [1.0]}
        for name in ("chars", "words")
    }
    head = replace(heading(source), reference=reference)
    content = page_content(comparison.content(), head, comparison.features(), histograms)
    return page_html(content, head.title)


def page_data(page: str) -> Any:
    """Return the data that the page's script draws."""
    (data,) = re.findall(r"^ *var metric_[0-9a-f]+ = (.+);$", page, re.MULTILINE)
    return json.loads(data)


def test_page_shows_title_plots_by_strength_and_failed_tests() -> None:
    page = small_page("shop")
    assert "<title>m/1.0.0, source shop: drift</title>" in page
    group, numbers, suite = page_data(page)["widgets"]
    assert [widget["title"] for widget in group["widgets"]] == [
        "m/1.0.0, source shop: drift", "chars", "words"
    ]  # fmt: skip
    assert [widget["size"] for widget in group["widgets"]] == [2, 1, 1]
    counts = {item["label"]: item["value"] for item in numbers["params"]["counters"]}
    assert (counts["FAIL"], counts["SUCCESS"]) == ("3", "1")
    assert [test["state"] for test in suite["params"]["tests"]] == ["fail"] * 3 + ["success"]


HOSTILE = "</script><script>alert(1)</script>"


def test_page_is_not_changed_by_what_a_source_is_called() -> None:
    page = small_page(HOSTILE, reference=f"traffic, accepted by x: {HOSTILE}")
    assert "<script>alert(1)" not in page
    head = page_data(page)["widgets"][0]["widgets"][0]
    assert head["title"] == f"m/1.0.0, source {HOSTILE}: drift"
    assert HOSTILE in head["insights"][2]["text"]


NO_NETWORK = """
import sys

def refuse(event, args):
    if event in ("socket.connect", "socket.getaddrinfo", "socket.sendto"):
        raise SystemExit(f"{event} {args}")

sys.addaudithook(refuse)
from monitoring.drift.comparison import Comparison, page_html
from monitoring.drift.threshold import Thresholds
columns = {"chars": [1.0, 2.0, 3.0], "decision": ["negative", "review", "review"]}
print(len(page_html(Comparison(columns, columns, Thresholds(7.0, 4.0)).content(), "a page")))
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
