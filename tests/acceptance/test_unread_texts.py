"""Texts that the shipped version cannot read, on every submission path and in every output."""

from __future__ import annotations

import json
import uuid
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from plumbline_client import Client
from plumbline_client.identity import message_job_id
from plumbline_client.new_job import text_hash
from tests.celery_producer import bare_producer, send
from tests.command import Cli
from tests.ledger import count_jobs
from tests.waiting import eventually
from tests.workers import start_worker

SOLID = (
    "WinnerClaimYourFivePoundPrizeNowTextClaimToEightNineNineCallFreeOnMobileNow"
    "YouHaveBeenSelectedToReceiveCashAwardGuaranteed"
)
# PostgreSQL's `btrim` in `submit_v1` leaves the first, and `clean` accepts the second.
INVISIBLE, DROPPED = "\u200b\u200b", "\ufffd\ufffd"
REASONS = {
    INVISIBLE: "the text contains only invisible characters",
    DROPPED: "the text contains nothing that the model can read",
}
TEXTS = (INVISIBLE, DROPPED, SOLID, "see you at six")


def test_text_without_anything_to_read_is_refused(cli: Cli) -> None:
    for value, reason in REASONS.items():
        assert cli.error("score", value) == f"The text cannot be scored: {reason}."


def test_text_that_is_not_read_is_for_review(cli: Cli) -> None:
    score = cli.json("score", "a" * 600)
    assert (score["decision"], score["label"]) == ("review", "ham")
    assert score["confidence"] > 0.9
    assert score["notes"] == ["long_word_unread", "mostly_unread"]
    assert score["review_reason"].startswith("the model cannot read more than half")
    assert "the model cannot read more than half" in cli.run("score", SOLID)
    spelled = cli.json("score", "[SEP]")
    assert (spelled["tokens"], spelled["features"]["unknown_share"]) == (3, 0.0)
    assert spelled["review_reason"] is None


def submit_on_every_path(
    cli: Cli, engine: Engine, database_url: str, broker_url: str
) -> list[list[uuid.UUID]]:
    """Submit TEXTS by the command line, the client, SQL and a bare message; return their ids."""
    cli.write("texts.jsonl", "".join(json.dumps({"text": value}) + "\n" for value in TEXTS))
    lines = cli.json_lines("submit", "texts.jsonl", "--source", "file")
    by_command = [uuid.UUID(line["job_id"]) for line in lines if "job_id" in line]
    with Client(database_url, broker_url) as client:
        by_client = [client.submit(value).job_id for value in TEXTS]
    with engine.begin() as connection:
        statement = text("SELECT plumbline.submit_v1(:value)")
        by_sql = [connection.execute(statement, {"value": v}).scalar_one() for v in TEXTS]
    jobs = [{"text": value} for value in TEXTS] + [{"id": str(job)} for job in by_sql]
    sent = send(bare_producer(broker_url), {"version": 1, "source": "bare", "jobs": jobs})
    by_message = [
        message_job_id(sent, "bare", text_hash(value), position)
        for position, value in enumerate(TEXTS)
    ]
    return [by_command, by_client, by_sql, by_message]


def test_every_submission_path_ends_alike_and_every_output_has_the_reason(
    cli: Cli, engine: Engine, database_url: str, broker_url: str, tmp_path: Path
) -> None:
    paths = submit_on_every_path(cli, engine, database_url, broker_url)
    with start_worker(database_url, broker_url, tmp_path, concurrency=1):
        eventually(
            lambda: count_jobs(engine, "state IN ('scored', 'rejected')") == 4 * len(TEXTS),
            60.0,
            "the texts are not scored",
        )
    results = {row["job_id"]: row for row in cli.json("results")["results"]}
    for ids in paths:
        invisible, dropped, solid, ordinary = (results[str(job)] for job in ids)
        for row, reason in zip((invisible, dropped), REASONS.values(), strict=True):
            assert (row["state"], row["error"], row["decision"]) == ("rejected", reason, None)
        check_review(solid)
        assert (ordinary["decision"], ordinary["notes"]) == ("negative", [])
        assert ordinary["review_reason"] is None
    (prediction,) = cli.json("show", str(paths[0][2]))["predictions"]
    assert prediction["notes"] == ["long_word_unread", "mostly_unread"]
    assert prediction["review_reason"].startswith("the model cannot read more than half")


def check_review(row: dict[str, Any]) -> None:
    assert (row["state"], row["decision"], row["label"]) == ("scored", "review", "ham")
    assert row["notes"] == ["long_word_unread", "mostly_unread"]
    assert row["review_reason"].startswith("the model cannot read more than half")
