"""`plumbline cancel`: queued jobs end, and all others stay as they are."""

from __future__ import annotations

from sqlalchemy import Engine

from tests.command import Cli
from tests.ledger import count_jobs

TEXTS = '{"text": "one"}\n{"text": "two"}\n{"text": " "}\n'


def test_only_queued_jobs_are_cancelled(cli: Cli, engine: Engine) -> None:
    first, second, rejected = (
        receipt["job_id"]
        for receipt in cli.json_lines("submit", cli.write("t.jsonl", TEXTS))
        if receipt["kind"] == "receipt"
    )
    assert "There is no job" in cli.error("cancel", first, "0" * 32)
    assert count_jobs(engine, "state = 'cancelled'") == 0, "one unknown job cancels none"
    assert "cancelled" in cli.run("cancel", first, "--reason", "sent by mistake")
    assert count_jobs(engine, "error = 'sent by mistake'") == 1
    cancelled = {
        "job_id": first,
        "cancelled": False,
        "state": "cancelled",
        "error": "sent by mistake",
    }
    assert cli.json_lines("cancel", first, first[:12]) == [cancelled]
    lines = cli.json_lines("cancel", second, rejected, code=1)
    assert [line["cancelled"] for line in lines] == [True, False]
    assert "it had ended, and nothing was changed" in cli.run("cancel", rejected, code=1)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE plumbline.jobs SET state = 'leased'")
    assert "it is being scored, and nothing was changed" in cli.run("cancel", second, code=1)


def test_queued_texts_of_a_source_are_cancelled_in_batches(cli: Cli, engine: Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO plumbline.jobs (id, source, text, text_sha256, state, created_at) "
            "SELECT gen_random_uuid(), CASE WHEN mod(n, 6) = 0 THEN 'other' ELSE 'flood' END, 'x', "
            "'', CASE WHEN mod(n, 6) = 1 THEN 'leased' ELSE 'queued' END, "
            "now() - make_interval(mins => mod(n, 2) * 600) FROM generate_series(1, 18000) AS n"
        )
    assert "This cancels 12,000 queued texts; add --yes." in cli.error(
        "cancel", "--source", "flood"
    )
    assert count_jobs(engine, "state = 'cancelled'") == 0
    old = ("cancel", "--source", "flood", "--older-than", "2h", "--yes")
    assert cli.json(*old, "--json")["cancelled"] == 6_000
    assert "Cancelled 6,000 texts of flood" in cli.run("cancel", "--source", "flood", "--yes")
    assert count_jobs(engine, "state = 'cancelled' AND source = 'flood'") == 12_000
    assert count_jobs(engine, "state = 'cancelled' AND error LIKE 'cancelled by %'") == 12_000
    assert count_jobs(engine, "state = 'leased'") == 3_000
    assert "Name either jobs or a --source." in cli.error("cancel", "0000", "--source", "flood")
