from __future__ import annotations

from typing import Any

import pytest

from monitoring.drift.dashboard import MAX_SOURCES, Dashboard, panels, with_source


def titles(dashboard: Dashboard) -> list[str]:
    return [panel["title"] for panel in dashboard.document["panels"]]


def legends(panel: dict[str, Any]) -> list[str]:
    return [line["legend"] for line in panel["values"]]


def test_each_source_has_a_panel_per_kind() -> None:
    dashboard = with_source(None, "shop")
    kinds = (
        "all columns together", "predictions", "inputs, form of the texts", "inputs, familiarity",
        "quality (accuracy)",
    )  # fmt: skip
    expected = [f"{name}: {kind}" for name in ("All sources", "shop") for kind in kinds]
    assert titles(dashboard) == expected
    assert dashboard.sources == [None, "shop"]
    tabs = {tab["title"]: tab["panels"] for tab in dashboard.document["tabs"]}
    assert {name: len(ids) for name, ids in tabs.items()} == {"All sources": 5, "shop": 5}


@pytest.mark.parametrize("source", [None, "shop"])
def test_thresholds_are_lines_and_come_first(source: str | None) -> None:
    *scores, quality = panels(source)
    assert [legends(panel)[0] for panel in scores] == ["threshold"] * 4
    assert legends(quality)[0] == "alert threshold"
    assert legends(scores[1])[1:] == ["probability", "confidence", "decision"]
    assert "chars" in legends(scores[2]) and "token_surprise" in legends(scores[3])
    assert "realized (labels)" in legends(quality)


def test_lines_are_of_the_runs_of_their_source() -> None:
    for source, metadata in (
        (None, {"scope": "all", "source": ""}),
        ("all sources", {"scope": "source", "source": "all sources"}),
    ):
        lines = [line for panel in panels(source) for line in panel["values"]]
        assert all(line["metadata"] == metadata for line in lines)


def test_panels_of_different_sources_have_different_ids() -> None:
    sources: list[str | None] = [None, "a", "a/b", "joint", "joint/a"]
    ids = [panel["id"] for source in sources for panel in panels(source)]
    assert len(set(ids)) == len(ids)


def test_panels_are_added_once() -> None:
    dashboard = with_source(None, "shop")
    assert with_source(dashboard, "shop") == dashboard
    assert with_source(dashboard, None) == dashboard


def test_what_a_user_changes_deletes_and_adds_stays_as_it_is() -> None:
    dashboard = with_source(None, "shop")
    changed, _, *rest = dashboard.document["panels"]
    own = {"id": "mine", "title": "mine", "values": []}
    edited = dashboard.document | {"panels": [changed | {"title": "renamed"}, *rest, own]}
    again = with_source(Dashboard(edited, dashboard.sources), "shop")
    assert again.document == edited
    grown = titles(with_source(again, "forum"))
    assert grown[0] == "renamed" and "mine" in grown
    assert "All sources: predictions" not in grown
    assert "forum: predictions" in grown


def test_panels_of_the_source_that_was_reported_longest_ago_make_room() -> None:
    dashboard = None
    for number in range(MAX_SOURCES):
        dashboard = with_source(dashboard, f"s{number}")
    dashboard = with_source(dashboard, "s0")
    dashboard = with_source(dashboard, "new")
    shown = {title.partition(":")[0] for title in titles(dashboard)}
    assert shown == {"All sources", "new"} | {f"s{n}" for n in range(MAX_SOURCES) if n != 1}
    assert {tab["title"] for tab in dashboard.document["tabs"]} == shown
    assert len(dashboard.sources) == MAX_SOURCES + 1 and None in dashboard.sources


def test_titles_show_no_control_characters() -> None:
    assert all("\n" not in panel["title"] for panel in panels("a\nb"))
