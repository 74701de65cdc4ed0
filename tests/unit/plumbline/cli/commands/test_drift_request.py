from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from plumbline.cli.commands.drift_request import task_arguments, with_absolute_times
from plumbline.errors import OptionInvalid
from storage import database
from storage.states import ReferenceKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_default_request_has_no_argument_that_an_older_worker_does_not_know() -> None:
    assert task_arguments() == {}
    assert task_arguments(source="shop") == {"source": "shop"}


def test_every_option_becomes_an_argument() -> None:
    arguments = task_arguments(
        source="shop",
        last=500,
        reference=ReferenceKind.WINDOW,
        reference_since="2026-01-01T00:00+00:00",
        reference_until="2026-01-02T00:00+00:00",
        text=True,
    )
    assert arguments == {
        "source": "shop",
        "last": 500,
        "reference": "window",
        "reference_since": datetime(2026, 1, 1, tzinfo=UTC),
        "reference_until": datetime(2026, 1, 2, tzinfo=UTC),
        "text": True,
    }
    assert task_arguments(since="1d") == {"since": timedelta(days=1)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": "1h", "last": 5}, "--since and --last exclude each other"),
        ({"reference_since": "1d"}, "--reference-since refers to an earlier window"),
        ({"reference_until": "1d"}, "--reference-until refers to an earlier window"),
        ({"text": True}, "--text compares texts, and a profile contains none"),
        ({"text": True, "reference": ReferenceKind.PROFILE}, "add --reference window as well"),
        ({"reference": ReferenceKind.WINDOW, "reference_since": "soon"}, "--reference-since "),
        ({"since": "soon"}, "--since "),
    ],
)
def test_contradicting_or_incomplete_options_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionInvalid) as refusal:
        task_arguments(**options)
    assert message in str(refusal.value)


@pytest.fixture
def connection(monkeypatch: pytest.MonkeyPatch) -> Any:
    """A connection to a database whose clock shows NOW."""
    monkeypatch.setattr(database, "now", lambda connection: NOW)


def test_times_are_absolute_by_the_clock_of_the_database(connection: Any) -> None:
    arguments = task_arguments(since="2h", source="shop")
    assert with_absolute_times(arguments, connection) == {
        "since": "2026-03-01T10:00:00+00:00",
        "source": "shop",
    }
    arguments = task_arguments(since="2026-01-01T01:00+01:00")
    assert with_absolute_times(arguments, connection) == {"since": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("since", "until"), [("1d", "2d"), ("1d", "1d"), ("1h", "2026-03-01T10:00Z")]
)
def test_an_earlier_window_that_ends_before_it_starts_is_refused(
    connection: Any, since: str, until: str
) -> None:
    arguments = task_arguments(
        reference=ReferenceKind.WINDOW, reference_since=since, reference_until=until
    )
    with pytest.raises(OptionInvalid, match="--reference-since must be before"):
        with_absolute_times(arguments, connection)
