import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from plumbline.cli.commands import db
from plumbline.errors import OptionInvalid
from storage import migrate

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


class Engine:
    """The engine of a database whose clock shows NOW."""

    def connect(self) -> AbstractContextManager[None]:
        return nullcontext()

    def begin(self) -> AbstractContextManager[None]:
        return nullcontext()


ENGINE = Engine()


@pytest.fixture(autouse=True)
def fake_database(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", "postgresql://unused/x")
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", "redis://unused/0")
    monkeypatch.setattr(db, "database", lambda services: nullcontext(ENGINE))
    monkeypatch.setattr(db, "absolute_time", lambda connection, age: NOW - age)


@pytest.fixture
def purged_before(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """Fake a purge of two batches; return the times that it was called with."""
    times: list[datetime] = []

    def purge_texts(engine: Any, before: datetime) -> Iterator[int]:
        assert engine is ENGINE
        times.append(before)
        yield from (5_000, 17)

    monkeypatch.setattr(db, "purge_texts", purge_texts)
    monkeypatch.setattr(db.rejected_messages, "purge", lambda connection, before: 3)
    return times


def test_purge_reports_the_sum_of_its_batches(purged_before: list[datetime]) -> None:
    printed = CliRunner().invoke(db.app, ["purge", "--older-than", "30d"])
    assert printed.output.startswith("Deleted 5,017 texts of jobs that ended before ")
    assert purged_before == [NOW - timedelta(days=30)]


def test_purge_prints_its_result_as_json(purged_before: list[datetime]) -> None:
    printed = CliRunner().invoke(db.app, ["purge", "--older-than", "2h", "--json"])
    result = json.loads(printed.stdout)
    assert (result["purged"], result["rejected_messages"]) == (5_017, 3)
    assert datetime.fromisoformat(result["before"]) == purged_before[0]


def test_purge_with_an_invalid_duration_deletes_nothing(purged_before: list[datetime]) -> None:
    printed = CliRunner().invoke(db.app, ["purge", "--older-than", "a month"])
    assert isinstance(printed.exception, OptionInvalid)
    assert "--older-than must be a duration" in str(printed.exception)
    assert purged_before == []


@pytest.mark.parametrize(("command", "keys"), [("upgrade", {}), ("check", {"warnings": []})])
def test_version_of_the_tables_is_printed(
    command: str, keys: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db, "open_to_all", lambda connection: None)
    monkeypatch.setattr(migrate, command, lambda engine, **_: "0005" if engine is ENGINE else None)
    printed = CliRunner().invoke(db.app, [command])
    assert printed.output == "The tables are at version 0005, as this release needs.\n"
    as_json = CliRunner().invoke(db.app, [command, "--json"])
    assert json.loads(as_json.output) == {"version": "0005"} | keys


def test_a_database_that_is_open_to_all_logins_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(migrate, "check", lambda engine: "0005")
    monkeypatch.setattr(db, "open_to_all", lambda connection: "Every login may connect.")
    printed = CliRunner().invoke(db.app, ["check"])
    assert printed.exit_code == 0
    assert printed.stderr == "Every login may connect.\n"
    as_json = CliRunner().invoke(db.app, ["check", "--json"])
    assert json.loads(as_json.stdout)["warnings"] == ["Every login may connect."]
