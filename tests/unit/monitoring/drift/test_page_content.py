from __future__ import annotations

from typing import Any

from monitoring.drift.page_content import FULL, HALF, page_content
from monitoring.drift.verdict import FeatureDrift
from storage.states import JOINT_FEATURE, DriftVerdict
from tests.drift_heading import heading

HISTOGRAM = {"edges": [0.0, 1.0], "reference": [1.0], "window": [1.0]}
FEATURES = [
    FeatureDrift(JOINT_FEATURE, "all-columns", 9.0, 6.0),
    FeatureDrift("chars", "mean-and-spread", 2.0, 4.0),
    FeatureDrift("words", "mean-and-spread", 12.0, 4.0),
    FeatureDrift("text", "abs_text_content_drift", 0.9, 0.6),
]


def content(verdict: DriftVerdict = DriftVerdict.DRIFT) -> dict[str, Any]:
    tests = [{"title": feature.feature, "state": "fail"} for feature in FEATURES]
    snapshot = {
        "widgets": [{"type": "counter", "title": "a number"}] * 4,
        "tests_widgets": [
            {"type": "counter", "params": {"v2_test": True}},
            {"type": "test_suite", "params": {"v2_test": True, "tests": tests}},
        ],
        "metric_results": {"a": 1},
    }
    histograms = {"chars": HISTOGRAM, "words": HISTOGRAM}
    return page_content(snapshot, heading(verdict=verdict), FEATURES, histograms)


def test_page_begins_with_its_title_and_what_was_compared() -> None:
    first = content()["widgets"][0]
    assert first["title"] == "m/1.0.0, source shop: drift"
    messages = [(message["title"], message["text"]) for message in first["insights"]]
    assert messages == [
        ("drift", "1 of 2 features drifted"),
        ("window", "1,500 texts, scored 2026-01-02 03:04 to 2026-01-02 03:04 UTC"),
        ("reference", "718 texts: validation texts of m/1.0.0"),
    ]


def test_color_follows_the_verdict() -> None:
    colors = [
        content(verdict)["widgets"][0]["insights"][0]["severity"]
        for verdict in (DriftVerdict.DRIFT, DriftVerdict.STABLE, DriftVerdict.FAILED)
    ]
    assert colors == ["error", "success", "warning"]


def test_scores_without_a_histogram_are_in_the_heading() -> None:
    counters = content()["widgets"][0]["params"]["counters"]
    assert counters == [
        {"label": "features drifted", "value": "2 of 3"},
        {"label": "all columns together, threshold 6", "value": "9"},
        {"label": "the texts, threshold 0.6", "value": "0.9"},
    ]


def test_plots_are_in_order_of_strength_and_two_stand_side_by_side() -> None:
    head, *plots = content()["widgets"]
    assert [plot["title"] for plot in plots] == ["words", "chars"]
    assert head["size"] == FULL and {plot["size"] for plot in plots} == {HALF}
    assert len({plot["id"] for plot in plots}) == 2


def test_exceeded_feature_is_marked_as_a_failed_test() -> None:
    words, chars = (plot["insights"][0] for plot in content()["widgets"][1:])
    assert (words["title"], words["severity"]) == ("test failed", "error")
    assert words["text"] == "12 standard errors from the reference, threshold 4"
    assert (chars["title"], chars["severity"]) == ("test passed", "success")


def test_evidentlys_tests_are_in_order_of_strength() -> None:
    numbers, suite = content()["tests_widgets"]
    assert numbers == {"type": "counter", "params": {"v2_test": True}}
    assert [test["title"] for test in suite["params"]["tests"]] == [
        "words", "joint", "text", "chars"
    ]  # fmt: skip


def test_results_of_the_snapshot_stay() -> None:
    assert content()["metric_results"] == {"a": 1}
