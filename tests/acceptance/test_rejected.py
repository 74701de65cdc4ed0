"""Rejected messages as a person sees them: the list, the status and the purge."""

from __future__ import annotations

import uuid

from sqlalchemy import Engine, text

from storage import rejected_messages
from storage.rejected_messages import RejectedMessage
from tests.command import Cli

JOB = uuid.UUID(int=7)
ROWS = [
    RejectedMessage("plumbline.score", "compression: not accepted", "order-1", bytes=292_000),
    RejectedMessage(
        queue="plumbline.bulk",
        reason="the key belongs\x1b[31m to another text",
        message_id="order-2",
        task="plumbline.score",
        source="shop",
        job_id=JOB,
        key="k-1",
        position=11,
    ),
]


def test_rejected_messages_are_listed_counted_and_purged(cli: Cli, engine: Engine) -> None:
    cli = cli.with_columns(200)
    assert cli.run("rejected", "list") == "No message was rejected.\n"
    with engine.begin() as connection:
        rejected_messages.add(connection, ROWS)

    listed = cli.run("rejected", "list")
    assert listed.index("order-2") < listed.index("order-1"), "the newest comes first"
    assert "compression: not accepted" in listed and "number 12" in listed
    assert "\x1b" not in listed, "nobody's message controls the terminal"
    (row,) = cli.json("rejected", "list", "--source", "shop")["rejected"]
    assert (row["message_id"], row["key"], row["position"]) == ("order-2", "k-1", 11)
    assert row["job_id"] == str(JOB) and row["rejected_at"] is not None
    (newest,) = cli.json("rejected", "list", "--limit", "1")["rejected"]
    assert newest["id"] == row["id"]

    assert cli.json("status")["rejected_messages_last_day"] == 2
    assert "2 in the last day; see `plumbline rejected list`" in cli.run("status")
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE plumbline.rejected_messages SET rejected_at = now() - interval '40 days' "
                "WHERE message_id = 'order-1'"
            )
        )
    assert cli.json("status")["rejected_messages_last_day"] == 1
    assert "Deleted 1 rows of messages" in cli.run("db", "purge", "--older-than", "30d")
    assert [row["message_id"] for row in cli.json("rejected", "list")["rejected"]] == ["order-2"]
