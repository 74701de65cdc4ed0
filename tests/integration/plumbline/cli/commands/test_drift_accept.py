"""`plumbline drift accept, accepted, revoke` in this process, on a real PostgreSQL."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import Engine
from typer.testing import CliRunner

from plumbline.cli.commands.drift import app
from plumbline.errors import OptionInvalid, PlumblineError, ReferenceMissing, ReferenceRefused
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from tests.traffic import write_traffic

MODEL = "m/1.0.0"


@pytest.fixture(autouse=True)
def on_the_database(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PLUMBLINE_DATABASE_URL", database_url)
    monkeypatch.setenv("PLUMBLINE_BROKER_URL", "redis://127.0.0.1:1/0")


def invoke(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def document(*arguments: str) -> Any:
    return json.loads(invoke(*arguments, "--json"))


def serve(engine: Engine, model: str = MODEL) -> None:
    with engine.begin() as connection:
        version = VersionRecord(model, "", {})
        deployments.promote(connection, version, deployed_by="ann", reason="")


def score(engine: Engine, texts: int, source: str, model: str = MODEL) -> None:
    rows = [{"chars": float(length)} for length in range(texts)]
    write_traffic(engine, rows, model=model, source=source, scored_at=datetime.now(UTC))


def states() -> dict[int, str]:
    return {row["id"]: row["state"] for row in document("accepted")["accepted"]}


@pytest.mark.parametrize(
    ("arguments", "error", "sentence"),
    [
        (["--since", "1h", "--reason", " "], OptionInvalid, "--reason must not be empty"),
        (["--since", "soon", "--reason", "x"], OptionInvalid, "--since must be a duration"),
        (
            ["--since", "1h", "--until", "2h", "--reason", "x"],
            OptionInvalid,
            "--since must be before --until",
        ),
        (
            ["--since", "1h", "--reason", "x", "--source", "mail"],
            ReferenceRefused,
            r"scored 99 texts of source mail in this time, but a reference needs at least 100",
        ),
    ],
)
def test_refusal_names_what_to_change(
    engine: Engine, arguments: list[str], error: type[PlumblineError], sentence: str
) -> None:
    serve(engine)
    score(engine, 99, "mail")
    score(engine, 50, "shop")
    with pytest.raises(error, match=sentence):
        invoke("accept", *arguments)
    assert states() == {}


def test_nothing_is_accepted_before_a_version_is_live_or_has_scored(engine: Engine) -> None:
    score(engine, 200, "shop", model="m/0.9.0")
    with pytest.raises(ReferenceRefused, match="No version is live yet"):
        invoke("accept", "--since", "1h", "--reason", "x")
    serve(engine)
    with pytest.raises(ReferenceRefused, match="texts that other versions scored do not count"):
        invoke("accept", "--since", "1h", "--reason", "x")


def test_decision_is_listed_with_its_state(engine: Engine) -> None:
    serve(engine)
    score(engine, 120, "shop")
    first = document("accept", "--since", "1h", "--reason", "the sale")
    second = document("accept", "--since", "1h", "--reason", "again")
    shop = document("accept", "--since", "1h", "--reason", "shop", "--source", "shop")
    assert (first["rows"], first["total"], first["source"]) == (120, 120, None)
    assert "columns" not in first
    assert states() == {shop["id"]: "in force", second["id"]: "in force", first["id"]: "replaced"}
    revoked = document("revoke", str(second["id"]), "--reason", "a mistake")
    assert revoked["revoked_reason"] == "a mistake"
    assert states()[first["id"]] == "in force"
    with pytest.raises(ReferenceMissing, match="was already revoked"):
        invoke("revoke", str(second["id"]), "--reason", "x")
    with pytest.raises(ReferenceMissing, match="no accepted reference 99"):
        invoke("revoke", "99", "--reason", "x")
    serve(engine, "m/2.0.0")
    assert set(states().values()) == {"not live", "revoked"}


def test_sources_and_consequences_are_printed(engine: Engine) -> None:
    serve(engine)
    score(engine, 90, "shop")
    score(engine, 30, "mail")
    printed = " ".join(invoke("accept", "--since", "1h", "--reason", "the sale").split())
    assert "75.0% shop" in printed and "25.0% mail" in printed
    assert "plumbline drift revoke 1" in printed
    assert "a promotion ends it" in printed
    assert "the sale" in invoke("accepted")
