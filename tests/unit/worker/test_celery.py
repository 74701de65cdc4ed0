"""The Celery app, imported in a process of its own: the import reads the environment."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.foreign_environment import FOREIGN
from tests.workers import environment

DATABASE_URL = "postgresql://nobody@127.0.0.1:1/none"
PRINT_APP = """
import json, logging, os
from celery.bin import beat, worker
from worker.celery import app
print(json.dumps({
    "schedule": app.conf.beat_schedule,
    "queues": [(q.name, q.exchange.name, q.routing_key) for q in app.conf.task_queues],
    "transport": type(app.connection().transport).__module__,
    "url": app.connection().as_uri(),
    "acks_late": app.conf.task_acks_late and app.conf.task_reject_on_worker_lost,
    "prefetch": app.conf.worker_prefetch_multiplier,
    "level": logging.getLogger("celery.app.trace").level,
    "results": app.conf.result_backend,
    "loader": type(app.loader).__module__,
    "tokenizers": os.environ["TOKENIZERS_PARALLELISM"],
    "default_levels": [
        parameter.default
        for command in (worker.worker, beat.beat)
        for parameter in command.params
        if parameter.name == "loglevel"
    ],
}))
"""


def run(
    folder: Path, code: str, broker_url: str, settings: Mapping[str, object]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        env=environment(DATABASE_URL, broker_url, folder, settings),
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def app(folder: Path, **settings: object) -> dict[str, Any]:
    process = run(folder, PRINT_APP, "redis://127.0.0.1:1/0", settings)
    assert process.returncode == 0, process.stderr
    printed: dict[str, Any] = json.loads(process.stdout)
    return printed


def test_every_periodic_task_has_its_interval_and_no_message_expires(tmp_path: Path) -> None:
    intervals = {"sweep_every_s": 3, "drift_every_s": 5, "quality_every_s": 7, "alert_every_s": 9}
    schedule = app(tmp_path, **intervals, keep_rows_s=11)["schedule"]
    assert {name: entry["schedule"] for name, entry in schedule.items()} == {
        "sweep": 3.0,
        "drift": 5.0,
        "quality": 7.0,
        "alerts": 9.0,
        "purge": 3_600.0,
    }
    for entry in schedule.values():
        assert "expires" not in entry["options"], "it would be compared with another clock"
    queues = {name: entry["options"]["queue"] for name, entry in schedule.items()}
    assert queues.pop("sweep") == "plumbline.upkeep"
    assert set(queues.values()) == {"plumbline.reports"}, "reports must not delay scoring"


def test_the_app_acknowledges_late_and_reads_its_queues_through_our_transport(
    tmp_path: Path,
) -> None:
    printed = app(tmp_path)
    assert "purge" not in printed["schedule"], "nothing is deleted unless a setting asks for it"
    names = ["plumbline.upkeep", "plumbline.score", "plumbline.bulk", "plumbline.suspects"]
    assert printed["queues"] == [[name, name, name] for name in names]
    assert printed["transport"] == "worker.broker.transport"
    assert printed["url"].startswith("redis://"), "logs show the configured URL"
    assert (printed["acks_late"], printed["prefetch"]) == (True, 1)


@pytest.mark.parametrize(("log_level", "level"), [("INFO", 30), ("debug", 0)])
def test_lines_of_celery_per_message_appear_only_while_debugging(
    tmp_path: Path, log_level: str, level: int
) -> None:
    assert app(tmp_path, log_level=log_level)["level"] == level


def test_the_environment_of_another_celery_program_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "celeryconfig.py").write_text("broker_url = 'redis://127.0.0.1:1/7'")
    expected = app(tmp_path)
    for name, value in FOREIGN.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PSYCOPG_IMPL", "unknown")
    assert app(tmp_path) == expected
    assert expected["url"].endswith("@127.0.0.1:1/0") and expected["results"] is None
    assert (expected["loader"], expected["tokenizers"]) == ("worker.loader", "false")


def test_no_environment_changes_a_setting_or_an_option(tmp_path: Path) -> None:
    code = "from tests.celery_environments import *; environment_changes_nothing()"
    process = run(tmp_path, code, "redis://127.0.0.1:1/0", {})
    assert process.returncode == 0, process.stderr


@pytest.mark.parametrize("log_level", ["DEBUG", "warning"])
def test_the_setting_is_the_default_of_the_log_level(tmp_path: Path, log_level: str) -> None:
    assert app(tmp_path, log_level=log_level)["default_levels"] == [log_level.upper()] * 2


def test_an_unknown_log_level_is_one_sentence(tmp_path: Path) -> None:
    process = run(tmp_path, "import worker.celery", "redis://127.0.0.1:1/0", {"log_level": "loud"})
    assert process.returncode == 1
    assert process.stderr.startswith("PLUMBLINE_LOG_LEVEL is not usable: ")
    assert process.stderr.count("\n") == 1


@pytest.mark.parametrize("url", ["mysql://me:hunter2@h/d", "postgresql://me:hunter2@h:port/d"])
def test_an_invalid_database_url_is_one_sentence(tmp_path: Path, url: str) -> None:
    process = run(tmp_path, "import worker.celery", "redis://127.0.0.1:1/0", {"database_url": url})
    assert process.returncode == 1
    assert process.stderr.startswith("The database URL ") and process.stderr.count("\n") == 1
    assert "hunter2" not in process.stderr


def test_a_missing_url_is_one_sentence(tmp_path: Path) -> None:
    process = run(tmp_path, "import worker.celery", "", {})
    assert process.returncode == 1
    assert process.stderr == (
        "A worker needs PLUMBLINE_DATABASE_URL and PLUMBLINE_BROKER_URL; "
        "`plumbline up` sets both and starts everything.\n"
    )


@pytest.mark.parametrize(
    ("app_name", "module", "error", "sentence"),
    [
        (
            "worker",
            "redis",
            "ModuleNotFoundError",
            "The module redis is not installed; install plumbline-scoring again.",
        ),
        (
            "worker.celery:app",
            "tokenizers",
            "ModuleNotFoundError",
            "The module tokenizers is not installed; install the extra plumbline-scoring[worker].",
        ),
        (
            "worker",
            "numpy",
            "ImportError",
            "numpy cannot be imported (no libgomp.so.1); install it again.",
        ),
    ],
)
def test_failed_import_ends_the_celery_command_with_one_sentence(
    tmp_path: Path, app_name: str, module: str, error: str, sentence: str
) -> None:
    code = f"""
import sys
class Missing:
    def find_spec(self, name, *_):
        if name.partition(".")[0] == {module!r}:
            raise {error}("no libgomp.so.1", name=name)
sys.meta_path.insert(0, Missing())
sys.argv = ["celery", "-A", {app_name!r}, "beat"]
from celery.__main__ import main
main()
"""
    process = run(tmp_path, code, "redis://127.0.0.1:1/0", {})
    assert process.returncode == 1
    assert process.stderr.splitlines() == [sentence]
