"""`plumbline results`: filters and exports."""

from __future__ import annotations

import csv
import json

import pytest
from sqlalchemy import Engine, text

from plumbline_client.new_job import new_job
from tests.command import TIMEOUT_S, Cli
from tests.ledger import Ledger, count_jobs
from tests.predictions import new_prediction


def test_results_are_filtered_and_exported(cli: Cli, engine: Engine) -> None:
    cli.write("a.txt", "".join(f"text {number}\n" for number in range(120)) + " \n")
    cli.run("submit", "a.txt", "--source", "one")
    cli.run("submit", "--text", "hello", "--source", "two")
    assert len(cli.json("results")["results"]) == 122
    assert len(cli.json("results", "--source", "two")["results"]) == 1
    assert len(cli.json("results", "--state", "rejected")["results"]) == 1
    assert len(cli.json("results", "--limit", "7")["results"]) == 7
    assert len(cli.json("results", "--since", "1h")["results"]) == 122
    assert cli.json("results", "--until", "1h")["results"] == []
    assert cli.json("results", "--decision", "review", "--model", "x/1.0.0")["results"] == []
    assert "Only the newest 50;" in cli.run("results")
    assert "No results match." in cli.run("results", "--source", "three")

    for name in ("a.csv", "a.jsonl", "a.parquet"):
        cli.run("results", "--source", "one", "--output", name)
    with (cli.folder / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert sorted(row["text"] for row in rows)[0] == ""
    assert len(rows) == 121
    lines = (cli.folder / "a.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["job_id"] for line in lines] == [row["job_id"] for row in rows]
    parquet = pytest.importorskip("pyarrow.parquet")
    assert parquet.read_table(cli.folder / "a.parquet")["job_id"].to_pylist() == [
        row["job_id"] for row in rows
    ]
    assert count_jobs(engine) == 122


def score(ledger: Ledger, source: str, count: int) -> None:
    """Score texts, each less confidently than the one before."""
    jobs = [new_job(f"={source} {n}", source=source, max_chars=100) for n in range(count)]
    ledger.accept(*jobs)
    order = {job.id: number for number, job in enumerate(jobs)}
    for lease in ledger.claim(*order):
        confidence = 1 - order[lease.id] / 1_000
        assert ledger.finish(new_prediction(lease, confidence=confidence))


def test_sample_is_drawn_filled_in_and_returned(cli: Cli, engine: Engine) -> None:
    score(Ledger(engine), "one", 9)
    score(Ledger(engine), "two", 3)
    drawn = cli.run("results", "--sample", "4", "--seed", "7")
    assert cli.run("results", "--sample", "4", "--seed", "7") == drawn
    done = cli.complete("results", "--sample", "5", "--source", "one", "--source", "two",
                        "--by", "uncertain", "--output", "s.csv")  # fmt: skip
    assert done.stderr.decode().splitlines() == [
        "8 texts, least confident first (seed 0), are in s.csv; fill in the column label, then "
        "run: plumbline label s.csv",
        "The source two has only 3 such texts.",
    ]
    with (cli.folder / "s.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["source"], row["text"]) for row in rows[:2]] == [
        ("one", "'=one 8"),
        ("two", "'=two 2"),
    ]
    assert {(row["label"], row["predicted_label"], row["sampling"]) for row in rows} == {
        ("", "ham", "uncertain")
    }

    # Half done, and saved by a spreadsheet.
    for row in rows[:5]:
        row["label"] = "yes"
    with (cli.folder / "s.csv").open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=";", lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    (summary,) = cli.json_lines("label", "s.csv", "--by", "ann")
    assert (summary["accepted"], summary["unlabelled"]) == (5, 3)
    with engine.connect() as connection:
        query = text("SELECT label, sampling, count(*) FROM plumbline.labels GROUP BY 1, 2")
        assert [tuple(row) for row in connection.execute(query)] == [(1, "uncertain", 5)]
    rest = cli.json("results", "--sample", "9", "--by", "uncertain")["sample"]
    assert len(rest) == 7
    assert {row["job_id"] for row in rest}.isdisjoint(row["job_id"] for row in rows[:5])
    assert (
        "No texts match"
        in cli.complete("results", "--sample", "1", "--model", "x/1.0.0").stderr.decode()
    )


def test_reader_that_closes_the_pipe_early_is_not_an_error(cli: Cli) -> None:
    cli.write("a.txt", "".join(f"text {number}\n" for number in range(2_000)))
    cli.run("submit", "a.txt")
    for output in (["--format", "jsonl"], ["--format", "csv"], ["--limit", "1000"]):
        with cli.start("results", *output) as process:
            assert process.stdout is not None and process.stderr is not None
            process.stdout.readline()
            process.stdout.close()
            assert process.stderr.read() == b""
            assert process.wait(TIMEOUT_S) == 0
