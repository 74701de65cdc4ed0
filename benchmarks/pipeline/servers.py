"""The servers and the workers of a measurement, all on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psycopg

from plumbline import celery_environment
from plumbline.embedded import child_process
from plumbline.embedded.postgres import postgres_server
from plumbline.embedded.redis import redis_server
from plumbline.redis_users import RedisUser
from plumbline.settings import PREFIX
from storage import migrate
from storage.database import open_engine

CHECKOUT = Path(__file__).resolve().parents[2]
# The worker with a scorer that computes nothing, and Celery's task without a ledger.
FAKE_APP, PLAIN_APP = "benchmarks.pipeline.fake_app", "benchmarks.pipeline.plain_app"
PLUMBLINE_APP = "worker"
PLAIN_QUEUE = "plain.score"
POLL_S = 0.02
# Counting rows takes processor time from the workers.
COUNT_EVERY_S = 0.2
START_TIMEOUT_S = 300.0
TIMEOUT_S = 600.0


@dataclass(slots=True)
class Servers:
    """A database with Plumbline's schema and a Redis. `roots` are the processes to account for."""

    folder: Path
    database_url: str
    broker_url: str
    connection: psycopg.Connection[tuple[object, ...]]
    roots: dict[str, int] = field(default_factory=dict)

    def environment(self, **settings: object) -> dict[str, str]:
        """Return the environment of a worker or a command that uses these servers."""
        shown = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
        values: dict[str, object] = {
            "DATABASE_URL": self.database_url,
            "BROKER_URL": self.broker_url,
            "MODELS_DIR": CHECKOUT / "models",
            "MODEL": "sms-spam",
            "STATE_DIR": self.folder / "state",
            "METRICS_PORT": 0,
            **settings,
        }
        return celery_environment.cleaned(shown) | {
            f"{PREFIX}{name}": str(value) for name, value in values.items()
        }

    def wait_for_rows(
        self, count: int, since: float, table: str = "plumbline.predictions"
    ) -> float:
        """Wait until `count` rows were scored since then; return the Unix time of the last."""
        ends_at = time.monotonic() + TIMEOUT_S
        while True:
            # Rows are dated by PostgreSQL's clock, which is that of this machine.
            row = self.connection.execute(
                "SELECT count(*), coalesce(extract(epoch FROM max(scored_at)), 0) "
                f"FROM {table} WHERE scored_at >= to_timestamp(%s)",
                [since],
            ).fetchone()
            assert row is not None, "an aggregate always returns one row"
            if int(str(row[0])) >= count:
                return float(str(row[1]))
            if time.monotonic() > ends_at:
                raise SystemExit(f"Only {row[0]} of {count} were scored in {TIMEOUT_S:g} s.")
            time.sleep(COUNT_EVERY_S)


@contextmanager
def start_servers(folder: Path) -> Iterator[Servers]:
    with ExitStack() as opened:
        postgres = opened.enter_context(postgres_server(folder / "postgres"))
        # The plain task has keys of its own, for which a worker of Plumbline has no rights.
        user = RedisUser("benchmark", ["*"], ["+@all", "&*"])
        redis = opened.enter_context(redis_server(folder / "redis", [user]))
        with open_engine(postgres.url) as engine:
            migrate.upgrade(engine)
        connection = opened.enter_context(psycopg.connect(postgres.url, autocommit=True))
        connection.execute("CREATE SCHEMA plain")
        connection.execute(
            "CREATE TABLE plain.predictions (id bigserial PRIMARY KEY, text text, label text, "
            "probability float8, confidence float8, scored_at timestamptz DEFAULT now())"
        )
        roots = {"PostgreSQL": postgres.process.pid, "Redis": redis.process.pid}
        yield Servers(folder, postgres.url, redis.urls[user.name], connection, roots)


@contextmanager
def celery_worker(
    servers: Servers,
    app: str,
    concurrency: int,
    *options: str,
    name: str = "worker",
    settings: Mapping[str, object] | None = None,
    extra: Mapping[str, object] | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """Start a worker and yield its process once it takes messages.

    `extra` are variables of the apps of this benchmark.
    """
    log = servers.folder / f"{app}-{name}.log"
    log.unlink(missing_ok=True)
    command = [sys.executable, "-m", "celery", "-A", app, "worker", "-c", str(concurrency)]
    environment = servers.environment(**(settings or {})) | {
        key: str(value) for key, value in (extra or {}).items()
    }
    process = child_process.start(
        # One line per task, with Plumbline as with Celery.
        [*command, "-n", f"{name}@benchmark", "--loglevel=INFO", *options],
        log=log,
        environment=environment | {"PYTHONPATH": os.pathsep.join(sys.path)},
        cwd=servers.folder,
    )
    try:
        wait_until_ready(process, log)
        servers.roots[name] = process.pid
        yield process
    finally:
        servers.roots.pop(name, None)
        child_process.stop(process, signal.SIGTERM, 30.0)
        child_process.kill_group(process.pid)


def wait_until_ready(process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while " ready." not in log.read_text(encoding="utf-8", errors="replace"):
        if process.poll() is not None or time.monotonic() > deadline:
            raise SystemExit(f"A worker did not start: {child_process.quote_log(log, 12)}")
        time.sleep(POLL_S)
