"""A server or receiver that answers nothing, or one byte at a time, may delay what needs it.

It may not stop a process, nor hold a call, a probe or a report for longer than their limits.
"""

from __future__ import annotations

import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import psycopg
import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import Engine, text

from monitoring.alerts import webhook
from plumbline_client import Client, liveness
from plumbline_client.errors import DatabaseUnavailable
from plumbline_client.states import JobState
from storage import migrate
from storage.database import MIGRATING, connect
from storage.errors import DatabaseInUse
from storage.table_locks import call_when_unlocked
from tests.command import PLUMBLINE
from tests.proxy import proxy
from tests.silent_peer import black_hole, silent_peer
from tests.waiting import eventually
from tests.workers import environment, start_beat, start_worker
from worker.telemetry import metrics_server
from worker.telemetry.metrics_server import serve_metrics

LIMIT_S = 1.0
# For a loaded machine, on top of a limit.
LATE_S = 4.0
SILENT_NAME = "resolver-hangs.test"
TEXT = "Your parcel waits at the depot until noon. " * 20


def duration_s(call: Callable[[], object]) -> float:
    started = time.monotonic()
    call()
    return time.monotonic() - started


def all_at_once(calls: Mapping[str, Callable[[], None]], within_s: float) -> None:
    """Run the calls in threads; each returns within the limit."""
    with ThreadPoolExecutor(len(calls)) as threads:
        durations = dict(zip(calls, threads.map(duration_s, calls.values()), strict=True))
    assert not {name: took for name, took in durations.items() if took > within_s}


def with_options(url: str, options: str) -> str:
    return f"{url}{'&' if '?' in url else '?'}options={options}"


@pytest.fixture
def hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Yield a host name for which the resolver never returns."""
    resolve, release = socket.getaddrinfo, threading.Event()

    def hang(host: Any, *arguments: Any, **options: Any) -> Any:
        if host == SILENT_NAME:
            release.wait()
            raise socket.gaierror("the test is over")
        return resolve(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", hang)
    yield SILENT_NAME
    release.set()


def test_a_silent_postgresql_holds_no_call_beyond_its_time_limit(
    database_url: str, broker_url: str, hanging_resolver: str
) -> None:
    with (
        proxy(database_url) as established,
        silent_peer() as mute,
        silent_peer(answer=b"S") as no_tls_handshake,
        silent_peer(answer=b"R") as no_login,
        black_hole() as unreachable,
        Client(established.url, broker_url) as connected,
        ExitStack() as clients,
    ):
        connected.submit("before")
        established.silence()

        def submit_to(address: str) -> Callable[[], None]:
            url = f"postgresql://plumbline:secret@{address}/plumbline"
            client = clients.enter_context(Client(url, broker_url))

            def submit() -> None:
                with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
                    client.submit("text", timeout_s=LIMIT_S)

            return submit

        def wait() -> None:
            with pytest.raises(DatabaseUnavailable, match="cannot be reached"):
                connected.wait([uuid.uuid4()], timeout_s=LIMIT_S)

        all_at_once(
            {
                "established": wait,
                "mute": submit_to(f"127.0.0.1:{mute}"),
                "no TLS handshake": submit_to(f"127.0.0.1:{no_tls_handshake}"),
                "no end of the login": submit_to(f"127.0.0.1:{no_login}"),
                "no connection": submit_to(f"127.0.0.1:{unreachable}"),
                "several hosts": submit_to(f"127.0.0.1:{unreachable},127.0.0.1:{mute}"),
                "resolver": submit_to(f"{hanging_resolver}:5432"),
            },
            LIMIT_S + LATE_S,
        )
        assert connected.submit("after", timeout_s=10.0).new, "a new connection is made"


def test_a_locked_table_holds_no_call_beyond_its_time_limit_and_nothing_is_accepted(
    database_url: str, broker_url: str
) -> None:
    with (
        Client(database_url, broker_url) as client,
        psycopg.connect(database_url) as neighbour,
    ):
        job = client.submit("before").job_id
        neighbour.execute("LOCK TABLE plumbline.jobs IN ACCESS EXCLUSIVE MODE")

        def submit() -> None:
            with pytest.raises(DatabaseUnavailable, match="another transaction holds a lock"):
                client.submit("locked out", key="1", timeout_s=LIMIT_S)

        def submit_many() -> None:
            with pytest.raises(DatabaseUnavailable, match="another transaction holds a lock"):
                list(client.submit_many(["locked out"], timeout_s=LIMIT_S))

        def wait() -> None:
            with pytest.raises(DatabaseUnavailable, match="another transaction holds a lock"):
                client.wait([job], timeout_s=LIMIT_S)

        calls = {"submit": submit, "submit_many": submit_many, "wait": wait}
        all_at_once(calls, LIMIT_S + LATE_S)
        neighbour.rollback()
        assert client.submit("locked out", key="1").new
        assert len(client.results(limit=None)) == 2


CALLS: dict[str, Callable[[Client, uuid.UUID], object]] = {
    "submit": lambda client, _: client.submit("text"),
    "submit_many": lambda client, _: list(client.submit_many(["text"])),
    "cancel": lambda client, job: client.cancel(job),
    "results": lambda client, _: client.results(limit=None),
    "result": lambda client, job: client.result(job),
    "wait": lambda client, job: client.wait([job]),
}


@pytest.mark.parametrize("options", ["-c%20statement_timeout%3D1s", ""])
def test_without_a_time_limit_no_method_waits_for_ever(
    options: str, database_url: str, broker_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A limit in the URL counts; otherwise the server is asked whether it works on an answer."""
    if not options:
        monkeypatch.setattr(liveness, "ASK_AFTER_S", LIMIT_S)
    with ExitStack() as stack:

        def fails(name: str) -> Callable[[], None]:
            silent = stack.enter_context(proxy(database_url))
            url = with_options(silent.url, options) if options else silent.url
            client = stack.enter_context(Client(url, broker_url))
            job = client.submit("before").job_id
            silent.silence()

            def fail() -> None:
                with pytest.raises(DatabaseUnavailable, match=r"no answer (within|for)"):
                    CALLS[name](client, job)

            return fail

        within_s = 2.25 if options else LIMIT_S + liveness.ASK_AGAIN_S
        all_at_once({name: fails(name) for name in CALLS}, within_s + LATE_S)


QUEUED = text(
    "SELECT count(*), count(*) FILTER (WHERE published_at IS NULL) "
    "FROM plumbline.jobs WHERE state = 'queued'"
)


def test_a_silent_redis_delays_a_submission_and_the_text_is_accepted(
    database_url: str, engine: Engine, broker_url: str, hanging_resolver: str
) -> None:
    """At each step of the exchange. The wake-up is left to the sweeper."""
    with (
        proxy(broker_url) as established,
        silent_peer() as mute,
        silent_peer(answer=b"+OK\r\n") as mute_after_login,
        silent_peer(answer=b"+OK\r\n+OK\r\n+OK\r\n+OK\r\n$9\r\nab") as mute_in_a_reply,
        silent_peer(drip=b"+") as dripping,
        black_hole() as unreachable,
        ExitStack() as clients,
    ):

        def submit_through(url: str, limit_s: float | None = LIMIT_S) -> Callable[[], None]:
            client = clients.enter_context(Client(database_url, url))

            def submit() -> None:
                receipt = client.submit("text", timeout_s=limit_s)
                assert receipt.new and not receipt.published
                assert receipt.state is JobState.QUEUED

            return submit

        connected = clients.enter_context(Client(database_url, established.url))
        assert connected.submit("before").published
        established.silence()

        def submit_to_silenced() -> None:
            assert not connected.submit("text", timeout_s=LIMIT_S).published

        timed = {
            "established": submit_to_silenced,
            "login": submit_through(f"redis://:secret@127.0.0.1:{mute}/0"),
            "after the login": submit_through(f"redis://:secret@127.0.0.1:{mute_after_login}/0"),
            "within a reply": submit_through(f"redis://:secret@127.0.0.1:{mute_in_a_reply}/0"),
            "byte by byte": submit_through(f"redis://127.0.0.1:{dripping}/0"),
            "TLS": submit_through(f"rediss://127.0.0.1:{mute}/0"),
            "no connection": submit_through(f"redis://127.0.0.1:{unreachable}/0"),
            "resolver": submit_through(f"redis://{hanging_resolver}:6379/0"),
        }
        all_at_once(timed, LIMIT_S + LATE_S)
        untimed = {
            "mute": submit_through(f"redis://127.0.0.1:{mute}/0", None),
            "byte by byte": submit_through(f"redis://127.0.0.1:{dripping}/0", None),
            "resolver": submit_through(f"redis://{hanging_resolver}:6379/0", None),
        }
        all_at_once(untimed, 5.0 + LATE_S)
    with engine.connect() as connection:
        accepted, unpublished = connection.execute(QUEUED).one()
    # On a loaded machine, a call may end before it has recorded that its wake-up is missing.
    assert accepted == 1 + len(timed) + len(untimed)
    assert len(untimed) <= unpublished < accepted


HANGING_RESOLVER = f"""
import socket, threading
resolve = socket.getaddrinfo
def hang(host, *arguments, **options):
    if host == {SILENT_NAME!r}:
        threading.Event().wait()
    return resolve(host, *arguments, **options)
socket.getaddrinfo = hang
"""


def test_the_probe_and_commands_answer_within_their_limits_and_name_the_silent_server(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    (tmp_path / "sitecustomize.py").write_text(HANGING_RESOLVER)
    health = ["health", "--timeout", "2"]
    with silent_peer() as mute, silent_peer(drip=b"+") as dripping:
        postgresql = f"postgresql://plumbline:secret@127.0.0.1:{mute}/plumbline"
        calls = [
            ([*health, "--here"], database_url, f"redis://127.0.0.1:{mute}/0", "Redis", 3),
            (health, database_url, f"redis://127.0.0.1:{dripping}/0", "Redis", 3),
            (health, database_url, f"redis://{SILENT_NAME}:6379/0", "Redis", 3),
            (health, postgresql, broker_url, "PostgreSQL", 3),
            (health, f"postgresql://u:p@{SILENT_NAME}/x", broker_url, "PostgreSQL", 3),
            (["status"], postgresql, broker_url, "PostgreSQL", 1),
        ]

        def run(call: tuple[list[str], str, str, str, int]) -> None:
            arguments, database, broker, server, exit_code = call
            variables = environment(database, broker, tmp_path)
            variables["PYTHONPATH"] += f":{tmp_path}"
            ended = subprocess.run(
                [PLUMBLINE, *arguments],
                env=variables,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            output = ended.stdout + ended.stderr
            assert ended.returncode == exit_code, output
            assert f"{server} at " in output and "cannot be reached" in output
            assert "Traceback" not in output

        with ThreadPoolExecutor(3) as threads:
            list(threads.map(run, calls))


def bounded_calls() -> int:
    return sum(thread.name == "bounded-call" for thread in threading.enumerate())


HEADER = b"HTTP/1.1 200 OK\r\n"


def test_a_receiver_that_never_finishes_holds_a_notice_no_longer_than_its_limit(
    monkeypatch: pytest.MonkeyPatch, hanging_resolver: str
) -> None:
    monkeypatch.setattr(webhook, "TIMEOUT_S", LIMIT_S)
    before = bounded_calls()

    def post(url: str) -> Callable[[], None]:
        def refused() -> None:
            with pytest.raises(webhook.NotDelivered):
                webhook.post_http(url, b"{}", {})

        return refused

    with (
        silent_peer() as mute,
        silent_peer(drip=b"H") as status_line,
        silent_peer(answer=HEADER, drip=b"a") as header,
        silent_peer(answer=HEADER, drip=b"a: b\r\n") as headers,
        silent_peer(answer=b"\x16\x03", drip=b"\x03") as handshake,
        black_hole() as unreachable,
    ):
        calls = {
            "mute": post(f"http://127.0.0.1:{mute}/"),
            "status line": post(f"http://127.0.0.1:{status_line}/"),
            "header": post(f"http://127.0.0.1:{header}/"),
            "headers": post(f"http://127.0.0.1:{headers}/"),
            "TLS": post(f"https://127.0.0.1:{mute}/"),
            "handshake": post(f"https://127.0.0.1:{handshake}/"),
            "no connection": post(f"http://127.0.0.1:{unreachable}/"),
            "resolver": post(f"http://{hanging_resolver}/"),
        }
        all_at_once(calls, LIMIT_S + LATE_S)
        eventually(lambda: bounded_calls() <= before + 2, 10.0, "threads still read")
    with silent_peer(answer=HEADER + b"\r\n", drip=b"x") as body:
        webhook.post_http(f"http://127.0.0.1:{body}/", b"{}", {})


SETTINGS = {"sweep_every_s": 1, "republish_after_s": 5, "lease_s": 3, "max_attempts": 10}
SUBMIT = text("SELECT plumbline.submit_v1('submitted in SQL')")
SCORED = text("SELECT count(*), count(DISTINCT job_id) FROM plumbline.predictions")


def scored(engine: Engine) -> tuple[int, int]:
    """Return how many predictions there are, and of how many jobs."""
    with engine.connect() as connection:
        predictions, jobs = connection.execute(SCORED).one()
    return predictions, jobs


def test_workers_and_beat_resume_after_a_silence_of_postgresql_and_score_each_text_once(
    database_url: str, engine: Engine, broker_url: str, tmp_path: Path
) -> None:
    """The claims, the renewals, the sweeps, the relay and the writes of scores all hang."""
    with proxy(database_url) as silent, Client(database_url, broker_url, message_size=8) as client:
        url = with_options(silent.url, "-c%20statement_timeout%3D2s")
        with (
            start_beat(url, broker_url, tmp_path, settings=SETTINGS) as beat,
            start_worker(url, broker_url, tmp_path, settings=SETTINGS) as worker,
        ):
            jobs = [receipt.job_id for receipt in client.submit_many([TEXT] * 48)]
            eventually(lambda: scored(engine)[0] > 0)
            silent.silence()
            with engine.begin() as connection:
                jobs.append(connection.execute(SUBMIT).scalar_one())
            assert {job.state for job in client.wait(jobs)} == {JobState.SCORED}
            assert scored(engine) == (len(jobs), len(jobs))
            assert beat.process.poll() is None and worker.process.poll() is None
            scoring_continues_while_a_table_is_to_be_changed(database_url, client)


END_SILENT = """
SELECT pg_terminate_backend(pid, 60000) FROM pg_stat_activity
WHERE datname = current_database() AND pid <> pg_backend_pid() AND state = 'idle in transaction'
  AND state_change < clock_timestamp() - interval '1 s'
"""


def scoring_continues_while_a_table_is_to_be_changed(url: str, client: Client) -> None:
    """A transaction that reads may hold up the change, and not the texts of others."""
    migrator, waits = connect(url, limits=MIGRATING), list[str]()

    def change() -> None:
        with migrator.begin() as connection:
            connection.execute(text("ALTER TABLE plumbline.jobs ADD COLUMN new_column int"))

    with psycopg.connect(url, application_name="pg_dump") as reader:
        # A session that fell silent within a transaction would be named instead.
        reader.execute(END_SILENT)
        reader.execute("SELECT FROM plumbline.jobs LIMIT 1")
        ends_at = time.monotonic() + 60.0
        changing = threading.Thread(
            target=call_when_unlocked, args=[migrator, change, waits.append, ends_at]
        )
        changing.start()
        eventually(lambda: waits)
        for _ in range(3):
            assert client.wait([client.submit("meanwhile").job_id])[0].state is JobState.SCORED
        assert changing.is_alive()
        assert f"process {reader.info.backend_pid} (pg_dump)" in waits[0]
    changing.join()
    migrator.dispose()


INSERT = text(
    "INSERT INTO plumbline.jobs (id, source, text_sha256, state) "
    "VALUES (gen_random_uuid(), 'test', '', 'queued')"
)


def test_an_upgrade_beside_a_long_transaction_blocks_nobody_and_names_it(empty: Engine) -> None:
    migrate.upgrade(empty, "0007")
    url = empty.url.set(drivername="postgresql").render_as_string(hide_password=False)
    stopping, waits, durations = threading.Event(), list[str](), list[float]()

    def insert() -> None:
        while not stopping.is_set():
            with empty.begin() as connection:
                durations.append(duration_s(lambda c=connection: c.execute(INSERT)))

    inserting = threading.Thread(target=insert)
    with psycopg.connect(url, application_name="pg_dump") as reader:
        reader.execute("SELECT FROM plumbline.jobs LIMIT 1")
        name = rf"process {reader.info.backend_pid} \(pg_dump\)"
        with pytest.raises(DatabaseInUse, match=name):
            migrate.upgrade(empty, patience_s=0.5)
        inserting.start()
        upgrade = threading.Thread(target=lambda: migrate.upgrade(empty, report=waits.append))
        upgrade.start()
        eventually(lambda: waits)
        inserted = len(durations)
        eventually(lambda: len(durations) > inserted + 10)
        assert upgrade.is_alive()
    upgrade.join()
    stopping.set()
    inserting.join()
    assert migrate.check(empty) == migrate.newest()
    assert max(durations) < MIGRATING.lock_s + LATE_S


def test_slow_scrapers_are_cut_off_and_others_are_served(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics_server, "REQUEST_LIMIT_S", LIMIT_S)
    server = serve_metrics("127.0.0.1", 0, CollectorRegistry())
    address = ("127.0.0.1", server.server_port)
    with ExitStack() as stack:
        slow = [
            stack.enter_context(socket.create_connection(address))
            for _ in range(metrics_server.MAX_REQUESTS + 4)
        ]
        for each in slow:
            each.settimeout(LIMIT_S + LATE_S)
            each.sendall(b"GET /metrics HTTP/1.1\r\nA: b")
        for each in slow:
            with suppress(ConnectionError):
                assert each.recv(1) == b""

        def is_served() -> bool:
            with suppress(OSError), urlopen(f"http://127.0.0.1:{address[1]}/metrics") as answer:
                return bool(answer.status == 200)
            return False

        eventually(is_served, 10.0)
    server.shutdown()
    server.server_close()
