"""What logs, errors, terminals, exports and files show of texts, and to whom.

A neighbour may choose sources, keys, ids and texts. It may not write a line of a log or of a
terminal with them, and nothing may quote a text once the text is deleted.
"""

from __future__ import annotations

import csv
import json
import os
import re
import stat
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from prometheus_client import CollectorRegistry, Counter, generate_latest
from sqlalchemy import text
from typer.testing import CliRunner

from plumbline.cli.command_group import app
from plumbline_client import Client
from plumbline_client.results import Result
from plumbline_client.visible import is_safe
from storage.database import open_engine
from tests import poison, servers
from tests.celery_producer import bare_producer, send
from tests.command import Cli
from tests.workers import environment, start_worker

SECRET = "meet me at the old mill"
# One of each kind: a sequence of 7 and of 8 bits, a title, line breaks, a lone CR, directions,
# zero width, a line separator, Rich's markup and links, an emoji code, a formula.
HOSTILE = (
    "=A\x1b[31m\x9b2J\x1b]0;owned\x07\r\n[2026-11-27 00:00:00,000: ERROR/MainProcess] forged\r"
    "\u202e\u2066\u200f\u200b\u2028\x85[red]x[/red][link=http://evil]y[/link]:skull:<script>"
)
ENTRY = re.compile(r"\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}: \w+/\w+")
WAIT_S = 60.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What happened once a worker had processed hostile and poisonous submissions."""

    results: list[Result]
    log: str
    cli: Cli
    database_url: str

    def printed(self, *arguments: str) -> str:
        """Return what a command prints, in this process, which saves the start of another one."""
        ended = CliRunner().invoke(app, arguments, env=dict(self.cli.environment))
        assert ended.exit_code == 0, ended.output
        return ended.stdout

    def rows_with_the_secret(self) -> list[str]:
        """Return the tables of which a row holds the secret in any column."""
        with open_engine(self.database_url) as engine, engine.connect() as connection:
            tables = connection.execute(
                text("SELECT tablename FROM pg_tables WHERE schemaname = 'plumbline'")
            ).scalars()
            return [
                table
                for table in tables
                if connection.execute(
                    text(f"SELECT count(*) FROM plumbline.{table} AS t WHERE t::text LIKE :it"),
                    {"it": f"%{SECRET}%"},
                ).scalar_one()
            ]


@pytest.fixture(scope="module")
def scene(
    postgres_server_url: str,
    template: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Scene]:
    """One worker for all tests: it processes every kind once, each text with one attempt."""
    folder = tmp_path_factory.mktemp("disclosure")
    with servers.database(postgres_server_url, template) as database_url:
        with (
            start_worker(
                database_url,
                redis_url,
                folder,
                concurrency=1,
                settings={"max_attempts": 1},
                app="tests.poison_app",
            ) as worker,
            Client(database_url, redis_url) as client,
        ):
            texts = {
                "ok": f"{SECRET} at six",
                "raise": f"{poison.RAISE} {SECRET}",
                "open": f"{poison.OPEN} {SECRET}",
                HOSTILE: HOSTILE,
            }
            submissions = [
                client.submit(submitted, source=HOSTILE, key=key)
                for key, submitted in texts.items()
            ]
            with bare_producer(redis_url) as producer:
                for source in (HOSTILE, "a" * 201):
                    jobs = [{"text": f"{poison.RAISE} {SECRET}", "key": "bare"}]
                    send(producer, {"version": 1, "source": source, "jobs": jobs})
                send(producer, {"version": 1, HOSTILE: 1, "jobs": []}, task_id=HOSTILE)
            results = client.wait([each.job_id for each in submissions], timeout_s=WAIT_S)
            worker.wait_for_log("is rejected", times=2)
            worker.wait_for_log("could not be scored", times=3)
        variables = environment(database_url, redis_url, folder) | {"COLUMNS": "120"}
        yield Scene(results, worker.log(), Cli(folder, variables), database_url)


def test_an_error_of_any_class_is_stored_and_logged_without_the_text_that_it_quotes(
    scene: Scene,
) -> None:
    errors = {result.key: result.error for result in scene.results}
    assert errors["ok"] is None
    # What remains is what a person needs: the class and the place.
    assert re.fullmatch(
        r"given up after 1 attempts: ValueError in poison\.py, line \d+", str(errors["raise"])
    )
    assert re.fullmatch(
        r"given up after 1 attempts: FileNotFoundError in pathlib\.py, line \d+",
        str(errors["open"]),
    )
    assert SECRET not in scene.log
    assert "ValueError (message withheld" in scene.log


def test_no_name_writes_an_entry_of_the_log_or_controls_a_terminal(scene: Scene) -> None:
    """A source with a line break and a time stamp stays within the entry that names it."""
    _, _, log = scene.log.partition(" ready.\n")
    assert "without a valid id is rejected" in log
    lines = set(log.split("\n"))
    others = {line for line in lines if not (ENTRY.match(line) or line.startswith("    "))}
    # Celery prints this one at a shutdown.
    assert others <= {"", "worker: Warm shutdown (MainProcess)"}
    assert [line for line in lines if re.match(r"\[[^]]*\] forged", line)] == []
    assert all(map(is_safe, "".join(lines)))


@pytest.mark.parametrize(
    "arguments",
    [
        ("results",),
        ("results", "--source", HOSTILE),
        ("quarantine", "list"),
        ("results", "--json"),
        ("results", "--format", "jsonl"),
    ],
    ids=" ".join,
)
def test_no_command_prints_what_a_terminal_obeys(scene: Scene, arguments: tuple[str, ...]) -> None:
    printed = scene.printed(*arguments)
    assert all(map(is_safe, printed.replace("\n", ""))), printed
    # Not because it prints nothing of them.
    assert "forged" in printed or "\\x1b" in printed


def test_show_and_errors_print_names_literally(scene: Scene) -> None:
    job = next(result for result in scene.results if result.key == HOSTILE)
    shown = scene.printed("show", str(job.job_id))
    assert all(map(is_safe, shown.replace("\n", "")))
    assert "[red]x[/red]" in shown.replace("\n", "").replace("│", "").replace(" ", "")
    # Everything that no command handles itself becomes one sentence of the program.
    assert all(map(is_safe, scene.cli.error("submit", HOSTILE)))


def test_json_is_exact(scene: Scene) -> None:
    rows = json.loads(scene.printed("results", "--json"))["results"]
    (hostile,) = [row for row in rows if row["key"] == HOSTILE]
    assert (hostile["source"], hostile["text"]) == (HOSTILE, HOSTILE)


def test_an_exported_cell_is_no_formula_unless_it_is_exported_raw(scene: Scene) -> None:
    """Whoever opens the file runs nothing, and nobody else on the machine can read it."""
    for raw, first in ((False, "'="), (True, "=")):
        path = scene.cli.folder / f"raw-{raw}.csv"
        scene.printed("results", "--output", str(path), *(["--raw"] if raw else []))
        with path.open(encoding="utf-8", newline="") as file:
            (row,) = [row for row in csv.DictReader(file) if row["text"].endswith("<script>")]
        assert row["text"][: len(first)] == row["source"][: len(first)] == first
        assert row["text"].removeprefix("'") == HOSTILE
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path = scene.cli.folder / "exact.jsonl"
    scene.printed("results", "--output", str(path))
    rows = map(json.loads, path.read_text(encoding="utf-8").split("\n")[:-1])
    assert HOSTILE in {row["text"] for row in rows}
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_deleted_text_is_in_no_column_of_any_table(scene: Scene) -> None:
    """After `quarantine discard` and `db purge`, not even the owner of the tables finds it."""
    assert "jobs" in scene.rows_with_the_secret()
    scene.printed("quarantine", "discard", "--all")
    scene.printed("db", "purge", "--older-than", "0s")
    assert scene.rows_with_the_secret() == []


def test_a_hostile_source_is_one_value_of_a_label_of_prometheus() -> None:
    registry = CollectorRegistry()
    counter = Counter("texts", "Texts.", ["source"], registry=registry)
    counter.labels('a"} 1\nforged_total 9').inc()
    lines = generate_latest(registry).decode().splitlines()
    assert not [line for line in lines if line.startswith("forged")]


def test_whatever_servers_write_is_for_their_user_alone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Another user of the machine reads neither logs nor data, whatever the umask is."""
    previous = os.umask(0)
    folder = tmp_path_factory.mktemp("state") / "redis"
    try:
        with servers.redis_server(folder):
            readable = [
                path
                for path in (folder, *folder.rglob("*"))
                if path.lstat().st_mode & 0o077 and not path.is_socket()
            ]
    finally:
        os.umask(previous)
    assert readable == []
