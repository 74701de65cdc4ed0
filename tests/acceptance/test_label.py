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
    assert skipped[0]["error"] == "there is no job with the key '9' of the source 'shop'"
    assert (skipped[0]["key"], skipped[0]["source"]) == ("9", "shop")
    assert summary == {
        "kind": "summary",
        "source": "ann",
        "accepted": 3,
        "changed": 0,
        "known": 1,
        "unlabelled": 0,
        "unknown": 1,
        "refused": 0,
        "unusable": 1,
        "skipped": {
            "unknown_job": {"count": 1, "lines": [4]},
            "unknown_label": {"count": 1, "lines": [5]},
        },
        "contradictory": {"count": 0, "lines": []},
        "contradictory_texts": {"count": 0, "jobs": []},
        "other_values": {},
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


def test_contradictions_and_values_that_no_option_names_are_reported(cli: Cli) -> None:
    cli.write("a.csv", "id,text\n0,same\n1,same\n2,other\n")
    cli.run("submit", "a.csv", "--key-column", "id", "--source", "shop")
    label = ("label", "l.csv", "--key-column", "id", "--source", "shop", "--by", "ann")
    cli.write("l.csv", "id\tlabel\n0\tjunk\n1\tok\n2\tfine\n\t\n2\tJUNK\n1\t\n")
    printed = cli.run(*label, "--positive", "junk")
    assert (
        "Labels contradict an earlier line about the same job, and the last line counts: 1 (line "
        "6).\n"
        "Texts are labelled 0 in one job and 1 in another: 1, such as the job with the key '1' of "
        "the source 'shop' and the job with the key '0' of the source 'shop'.\n"
        "Labels that --positive does not name are the negative class: 'ok' (1), 'fine' (1).\n"
    ) in printed
    (summary,) = cli.json_lines(*label, "--positive", "junk")
    assert summary["contradictory"] == {"count": 1, "lines": [6]}, "not what an earlier file said"
    assert (summary["known"], summary["changed"], summary["unlabelled"]) == (2, 2, 1)
    assert summary["contradictory_texts"]["count"] == 1
    assert summary["other_values"] == {"ok": 1, "fine": 1}
    *skipped, summary = cli.json_lines(*label, "--positive", "junk", "--negative", "ok", code=1)
    assert [row["error"] for row in skipped] == ["its label 'fine' is neither ok nor junk"]


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
