"""`plumbline drift`: from the request of a report to its page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import psycopg

from tests.command import Cli
from tests.workers import start_worker

ACCEPT = ("drift", "accept", "--since", "1h", "--reason")
ALL_QUEUES = "plumbline.score,plumbline.bulk,plumbline.upkeep,plumbline.reports"


def test_report_is_requested_printed_and_opened(
    cli: Cli, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    cli.write("odd.txt", "\n".join(f"ACT NOW {n}!!! 100% 555-0{n}" for n in range(100, 140)))
    settings = {"drift_min_rows": 30}
    with start_worker(
        database_url, broker_url, tmp_path, concurrency=1, queues=ALL_QUEUES, settings=settings
    ):
        cli.run("submit", "odd.txt", "--source", "odd", "--wait")
        report = cli.json("drift", "run", "--source", "odd", "--since", "1h")
    assert report["verdict"] == "drift"
    assert report["window_rows"] == 40
    assert report["values"][0]["drifted"] is True
    feature = next(value["feature"] for value in report["values"] if value["histogram"])

    assert [row["id"] for row in cli.json("drift", "list")["reports"]] == [report["id"]]
    listed = cli.run("drift", "list", "--source", "odd", "--verdict", "drift", "--limit", "1")
    assert report["summary"][:20] in listed and "profile" in listed
    others = cli.json("drift", "list", "--verdict", "stable")
    assert others["reports"] == []
    assert [current["id"] for current in others["current"]] == [report["id"]]
    assert "There are no such drift reports." in cli.run("drift", "list", "--source", "even")
    shown = cli.json("drift", "show")
    assert {name: shown[name] for name in report} == report
    assert [current["id"] for current in shown["current"]] == [report["id"]]
    printed = cli.run("drift", "show", str(report["id"]))
    assert f"{feature}, reference" in printed
    assert f"{feature}, window" in printed
    assert "in standard errors" in printed
    # Of a shell for notebooks. matplotlib fails on a backend that it does not know.
    notebook = replace(cli, environment={**cli.environment, "MPLBACKEND": "nonsense"})
    cli.write("matplotlibrc", "text.usetex: True\n")
    assert notebook.json("drift", "show", "--png", "drift.png")["id"] == report["id"]
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")
    assert "decision, window" in cli.run("drift", "show", "--feature", "decision")
    sentence = cli.error("drift", "show", "--feature", "nose")
    assert "no feature 'nose'; its features are: " in sentence
    page = Path(cli.run("drift", "open").strip())
    assert page.stat().st_size > 1_000
    page.unlink()
    assert f"{page}, was removed" in cli.error("drift", "open")


def test_alarm_stays_until_the_traffic_is_accepted_and_ends_with_a_promotion(
    cli: Cli, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    cli.write("odd.txt", "\n".join(f"ACT NOW {n}!!! 100% 555-0{n}" for n in range(100, 220)))
    with start_worker(database_url, broker_url, tmp_path, concurrency=1, queues=ALL_QUEUES):
        cli.run("submit", "odd.txt", "--source", "odd", "--wait")
        drift = cli.json("drift", "run")
        few = cli.complete("drift", "run", "--last", "9")
        assert "The current verdict stays drift" in few.stderr.decode()
        status = cli.json("status")
        assert status["drift_verdict"] == "drift"
        assert (status["drift_model"], status["drift_source"]) == ("sms-spam/1.0.0", None)
        assert status["drift_report"] == drift["id"]
        shown = cli.json("drift", "show", "--texts", "2")
        assert shown["id"] == drift["id"]
        assert [(row["source"], row["share"]) for row in shown["sources"]] == [("odd", 1.0)]
        assert len(shown["unfamiliar_texts"]) == 2
        assert "scored 0 texts of source even" in cli.error(*ACCEPT, "x", "--source", "even")
        accepted = cli.json(*ACCEPT, "the sale")
        assert (accepted["rows"], accepted["model"]) == (120, "sms-spam/1.0.0")
        stable = cli.json("drift", "run")
    assert (stable["verdict"], stable["profile_verdict"]) == ("stable", "drift")
    assert stable["accepted"]["reason"] == "the sale"
    assert "the sale" in cli.run("drift", "show")

    number = str(accepted["id"])
    assert "validation texts" in cli.run("drift", "revoke", number, "--reason", "a mistake")
    assert cli.json("status")["drift_report"] == drift["id"]

    with psycopg.connect(database_url) as connection:
        connection.execute(
            "INSERT INTO plumbline.model_versions (model, manifest_sha256, metrics) "
            "VALUES ('sms-spam/2.0.0', '', '{}')"
        )
        connection.execute(
            "INSERT INTO plumbline.deployments (model, deployed_by, reason) "
            "VALUES ('sms-spam/2.0.0', 'ann', '')"
        )
    assert "no report on sms-spam/2.0.0 yet" in cli.run("status")
    assert "There is no report on sms-spam/2.0.0 yet" in cli.error("drift", "show")


def test_missing_report_names_the_worker_that_makes_reports(cli: Cli) -> None:
    sentence = cli.error("drift", "run", "--timeout", "1s")
    assert "plumbline up" in sentence
    assert "-Q plumbline.reports" in sentence
    assert "There is no drift report yet" in cli.error("drift", "show")
    assert "There is no drift report 7;" in cli.error("drift", "show", "7")
    assert "There is no drift report" in cli.error("drift", "show", str(10**30))
