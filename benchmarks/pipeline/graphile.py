"""graphile-worker on the same PostgreSQL: jobs added in lists, run by one or two Node processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg

from benchmarks.pipeline.load import PLAIN_PREDICTIONS, Rates, in_threads, measured
from benchmarks.pipeline.servers import POLL_S, TIMEOUT_S, Servers, wait_until_ready
from plumbline.embedded import child_process

PACKAGE = "graphile-worker@0.18.0"
PROGRAM = Path(__file__).with_name("graphile.mjs")
ADD = """
SELECT count(*) FROM graphile_worker.add_jobs(ARRAY(
    SELECT CAST(ROW('score', json_build_object('text', text), NULL, NULL, NULL, NULL, NULL, NULL)
                AS graphile_worker.job_spec)
    FROM unnest(CAST(%s AS text[])) AS text))
"""
LEFT = "SELECT count(*) FROM graphile_worker.jobs"
LIST_SIZE = 64


def install(folder: Path) -> str | None:
    """Install the package with npm; return why not, if it cannot be."""
    if (folder / "node_modules" / "graphile-worker").exists():
        return None
    npm = shutil.which("npm")
    if npm is None or shutil.which("node") is None:
        return "Node.js and npm are not installed"
    folder.mkdir(parents=True, exist_ok=True)
    command = [npm, "install", "--prefix", str(folder), "--no-audit", "--no-fund", PACKAGE]
    installed = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S)
    return None if installed.returncode == 0 else "npm could not install it"


@contextmanager
def workers(servers: Servers, package: Path, processes: int, *, inserts: bool) -> Iterator[None]:
    """Run so many processes of graphile-worker, whose role and schema are its own."""
    url = prepare_role(servers)
    with ExitStack() as running:
        for number in range(1, processes + 1):
            running.enter_context(_worker(servers, package, url, number, inserts))
        yield


def prepare_role(servers: Servers) -> str:
    """Create the role once; return its URL."""
    role = "graphile"
    exists = servers.connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role])
    if exists.fetchone() is None:
        servers.connection.execute(f"CREATE ROLE {role} LOGIN PASSWORD '{role}'")
        servers.connection.execute(f"GRANT CREATE, CONNECT ON DATABASE plumbline TO {role}")
        servers.connection.execute(f"GRANT USAGE ON SCHEMA plain TO {role}")
        servers.connection.execute(f"GRANT INSERT ON plain.predictions TO {role}")
        servers.connection.execute(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA plain TO {role}")
    info = servers.connection.info
    return f"postgresql://{role}:{role}@127.0.0.1:{info.port}/{info.dbname}"


@contextmanager
def _worker(
    servers: Servers, package: Path, url: str, number: int, inserts: bool
) -> Iterator[None]:
    name = f"graphile-worker {number}"
    log = servers.folder / f"{name}.log"
    log.unlink(missing_ok=True)
    environment = os.environ | {"GRAPHILE_URL": url, "GRAPHILE_INSERTS": str(int(inserts))}
    process = child_process.start(
        ["node", str(PROGRAM)], log=log, environment=environment, cwd=package
    )
    try:
        wait_until_ready(process, log)
        servers.roots[name] = process.pid
        yield
    finally:
        servers.roots.pop(name, None)
        child_process.stop(process, signal.SIGTERM, 30.0)


def measure(
    servers: Servers, rates: Rates, count: int, *, inserts: bool, producers: int = 4
) -> None:
    """Add jobs in lists and wait until all have run."""
    url, started = prepare_role(servers), time.time()

    def add(texts: list[str]) -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            for first in range(0, len(texts), LIST_SIZE):
                connection.execute(ADD, [texts[first : first + LIST_SIZE]])

    with measured(servers, rates, count) as ended:
        in_threads(count, producers, add)
        if inserts:
            ended(servers.wait_for_rows(count, started, PLAIN_PREDICTIONS))
        else:
            ended(_wait_until_empty(servers))


def _wait_until_empty(servers: Servers) -> float:
    while True:
        (left,) = servers.connection.execute(LEFT).fetchone() or (0,)
        if left == 0:
            return time.time()
        time.sleep(POLL_S)
