from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

from storage.states import DriftVerdict
from tests.drift_heading import heading


def test_title_names_model_source_and_verdict() -> None:
    assert heading().title == "m/1.0.0, source shop: drift"
    everything = replace(heading(), source=None, verdict=DriftVerdict.STABLE)
    assert everything.title == "m/1.0.0, all sources: stable"


def test_title_is_one_line_whatever_a_source_is_called() -> None:
    title = replace(heading(), source="a\nb\x1b[31m\u202ec").title
    assert "\n" not in title and "\x1b" not in title and "\u202e" not in title


def test_window_has_its_size_and_its_period_in_utc() -> None:
    east = timezone(timedelta(hours=5))
    window = replace(heading(), window_from=datetime(2026, 1, 2, 3, 4, tzinfo=east)).window
    assert window == "1,500 texts, scored 2026-01-01 22:04 to 2026-01-02 03:04 UTC"


def test_reference_is_described() -> None:
    assert heading().compared_with == "718 texts: validation texts of m/1.0.0"
    reason = "traffic of a to b, accepted by ann: a new\nsource"
    assert "\n" not in replace(heading(), reference=reason).compared_with
