"""The command line on a machine whose clock is wrong: PostgreSQL decides how long ago it was."""

from __future__ import annotations

import base64
import json
import uuid
from datetime import UTC, datetime, timedelta

import redis
from sqlalchemy import Engine, text

from plumbline.queues import KEY_PREFIX, REPORT_QUEUE
from tests.command import Cli
from tests.skewed_clock import SkewedClock

AHEAD = SkewedClock(40 * 86_400.0)
BEHIND = SkewedClock(-900.0)


def deadline_of(engine: Engine, job_id: str) -> timedelta:
    with engine.connect() as connection:
        query = text("SELECT deadline - created_at FROM plumbline.jobs WHERE id = :id")
        deadline: timedelta = connection.execute(query, {"id": uuid.UUID(job_id)}).scalar_one()
        return deadline


def test_durations_mean_the_same_on_every_machine(cli: Cli, engine: Engine) -> None:
    ended = cli.json_lines("submit", "--text", "ended")[0]["job_id"]
    cli.run("cancel", ended)
    for clock in (AHEAD, BEHIND):
        wrong = cli.with_clock(clock)
        receipt = wrong.json_lines("submit", "--text", "hi", "--deadline", "10m")[0]
        assert deadline_of(engine, receipt["job_id"]) == timedelta(minutes=10)
        found = [row["job_id"] for row in wrong.json("results", "--since", "10m")["results"]]
        assert {ended, receipt["job_id"]} <= set(found)
    ahead = cli.with_clock(AHEAD)
    assert ahead.json("results", "--until", "1h")["results"] == []
    assert ahead.json("db", "purge", "--older-than", "30d")["purged"] == 0
    assert cli.with_clock(BEHIND).json("db", "purge", "--older-than", "0s")["purged"] == 1


def test_a_requested_drift_report_begins_by_the_clock_of_postgresql(
    cli: Cli, broker_url: str
) -> None:
    since = ("--since", "1h", "--reference", "window", "--reference-since", "2h")
    cli.with_clock(AHEAD).error("drift", "run", *since, "--timeout", "0s")
    with redis.Redis.from_url(broker_url) as keys:
        message = json.loads(keys.rpop(KEY_PREFIX + REPORT_QUEUE) or "")
    _, arguments, _ = json.loads(base64.b64decode(message["body"]))
    for name, hours in (("since", 1), ("reference_since", 2)):
        age = datetime.now(UTC) - datetime.fromisoformat(arguments[name])
        assert abs(age - timedelta(hours=hours)) < timedelta(minutes=5)


def test_labels_are_exported_and_kept_whatever_the_clock_shows(cli: Cli) -> None:
    job_id = cli.json_lines("submit", "--text", "hi")[0]["job_id"]
    cli.write("l.jsonl", json.dumps({"job_id": job_id, "label": True}))
    cli.run("label", "l.jsonl", "--by", "ann")
    retrain = ("retrain", "--from-labels", "--since", "1h", "--name", "a", "--labels", "b,c")
    for clock in (BEHIND, AHEAD):
        done = cli.with_clock(clock).complete(*retrain)
        # No version has scored the text, but the label is of the last hour.
        assert b"1 labels are left out: no version has scored" in done.stderr
    assert len(list((cli.folder / ".plumbline" / "retrain").iterdir())) == 2


def test_health_names_the_clock_that_is_wrong(cli: Cli) -> None:
    reason, *warnings = cli.with_clock(AHEAD).run("health", code=3).splitlines()
    assert reason.startswith("No worker that scores texts ")
    (warning,) = warnings
    assert warning.startswith("The clock of this machine is 3,456,000 s ahead of PostgreSQL's")
    printed = cli.json("health", code=3)
    assert printed["warnings"] == []
    assert abs(printed["clock_ahead_s"]) < 5
