"""`plumbline label`: labels for scored and unscored jobs."""

from __future__ import annotations

import json

from sqlalchemy import Engine, text

from tests.command import TIMEOUT_S, Cli
from tests.servers import unavailable
from tests.waiting import eventually


def test_labels_are_stored_and_invalid_rows_are_skipped(cli: Cli) -> None:
    cli.write("a.csv", "id,text\n" + "".join(f"{n},text {n}\n" for n in range(4)))
    submit = ("submit", "a.csv", "--key-column", "id", "--source", "shop")
    receipts = cli.json_lines(*submit)[:-1]
    label = ("label", "l.csv", "--key-column", "id", "--source", "shop", "--by", "ann")
    cli.write("l.csv", "id,label\n0,1\n1,0\n9,1\n2,spam\n3,1\n0,1\n")
    *skipped, summary = cli.json_lines(*label, code=1)
    assert [(row["kind"], row["line"]) for row in skipped] == [("unknown", 4), ("unusable", 5)]
    assert summary == {
        "kind": "summary",
        "source": "ann",
        "accepted": 3,
        "changed": 0,
        "known": 1,
        "unknown": 1,
        "refused": 0,
        "unusable": 1,
        "skipped": {
            "unknown_job": {"count": 1, "lines": [4]},
            "unknown_label": {"count": 1, "lines": [5]},
        },
    }
    assert "line 5: its label 'spam' is neither 0 nor 1" in cli.run(*label, code=1)
    cli.write("l.jsonl", json.dumps({"job_id": receipts[0]["job_id"], "label": False}))
    assert cli.json_lines("label", "l.jsonl", "--by", "ann")[-1]["changed"] == 1
    assert "no column 'job_id'" in cli.error("label", "l.csv")
    # As Excel writes it, with the same labels in other spellings.
    cli.write("l.csv", "sep=;\r\nid;label\r\n0;1.0\r\n1;FALSE\r\n3;yes\r\n".encode("utf-16"))
    summary = cli.json_lines(*label)[-1]
    assert (summary["changed"], summary["known"], summary["skipped"]) == (1, 2, {})
    cli.write("l.csv", 'id,label\n0,"1\n1,0\n')
    printed = cli.run(*label, code=1)
    assert "line 2: the quote that opens in this line is not closed" in printed


def test_stored_labels_stay_stored_when_the_database_is_lost(
    cli: Cli, engine: Engine, postgres_server_url: str
) -> None:
    cli.write("a.csv", "id,text\n" + "".join(f"{n},text {n}\n" for n in range(1_500)))
    cli.run("submit", "a.csv", "--key-column", "id")
    with cli.start("label", "-", "--format", "csv", "--key-column", "id") as process:
        assert process.stdin is not None
        rows = b"".join(b"%d,%d\n" % (n, n % 2) for n in range(1_500))
        process.stdin.write(b"id,label\n" + rows)
        process.stdin.flush()
        eventually(lambda: count_labels(engine) == 1_000)
        assert engine.url.database is not None
        engine.dispose()
        with unavailable(postgres_server_url, engine.url.database):
            _, errors = process.communicate(timeout=TIMEOUT_S)
    first, second = errors.decode().splitlines()
    assert first.startswith("Stopped after at least 1,000 labels, which stay stored;")
    assert "cannot be reached" in second
    assert process.returncode == 1
    assert count_labels(engine) == 1_000


def count_labels(engine: Engine) -> int:
    with engine.connect() as connection:
        labels = connection.execute(text("SELECT count(*) FROM plumbline.labels"))
        return int(labels.scalar_one())
