"""`plumbline results`: filters and exports."""

from __future__ import annotations

import csv
import json

import pytest
from sqlalchemy import Engine

from tests.command import TIMEOUT_S, Cli
from tests.ledger import count_jobs


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
