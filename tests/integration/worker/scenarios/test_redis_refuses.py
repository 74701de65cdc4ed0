"""A Redis that answers with errors: nothing exits, nothing is lost, and the log has its words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

import pytest
import redis
from celery import Celery
from sqlalchemy import Engine, text

from plumbline.queues import KEY_PREFIX, SCORE_QUEUE
from plumbline_client import Client
from plumbline_client.errors import BrokerRefuses
from storage import migrate
from storage.database import connect
from tests.celery_producer import bare_producer, send
from tests.proxy import Proxy, proxy
from tests.servers import postgres_server, redis_server
from tests.waiting import eventually
from tests.workers import Worker, failed_start_output, start_beat, start_worker

WAITS, RECONNECTS = "no messages are taken for now", "Redis is not usable yet"
# Commands that a connection needs before it can receive an answer to another.
HANDSHAKE = {b"AUTH", b"HELLO", b"SELECT", b"CLIENT"}
ANSWERS = [
    "READONLY You can't write against a read only replica.",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "MISCONF Redis is configured to save RDB snapshots, but it is unable to persist on disk.",
    "NOREPLICAS Not enough good replicas to write.",
    "LOADING Redis is loading the dataset in memory",
    "NOPERM this user has no permissions to run the 'evalsha' command",
    "NOAUTH Authentication required.",
    "WRONGPASS invalid username-password pair or user is disabled.",
    "BUSY Redis is busy running a script. You can only call SCRIPT KILL or SHUTDOWN NOSAVE.",
    "CLUSTERDOWN The cluster is down",
    "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
    "EXECABORT Transaction discarded because of previous errors.",
    "UNBLOCKED force unblock from blocking operation, instance state changed",
    "TRYAGAIN Multiple keys request during rehashing of slot",
    "ERR max number of clients reached",
    "NEWCODE an answer of the future",
]


@dataclass
class System:
    """A worker and beat that reach Redis through a proxy; the producer and `keys` do not."""

    worker: Worker
    beat: Worker
    proxy: Proxy
    keys: redis.Redis
    producer: Celery
    engine: Engine
    sent: int = 0

    def send(self, count: int = 1) -> None:
        for _ in range(count):
            self.sent += 1
            job = {"text": "See you at six", "key": str(self.sent)}
            send(self.producer, {"version": 1, "source": "bare", "jobs": [job]})

    def wait_until_scored(self) -> None:
        def scored() -> int:
            with self.engine.connect() as connection:
                count = text("SELECT count(*) FROM plumbline.predictions")
                return int(connection.execute(count).scalar_one())

        eventually(lambda: scored() == self.sent, 60.0, "a message is lost")

    def is_alive(self) -> bool:
        return self.worker.process.poll() is None and self.beat.process.poll() is None


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    folder = tmp_path_factory.mktemp("refuses")
    with (
        postgres_server(folder / "postgres") as database_url,
        redis_server(folder / "redis") as redis_url,
        redis.Redis.from_url(redis_url) as keys,
        proxy(redis_url) as redis_proxy,
        bare_producer(redis_url) as producer,
    ):
        engine = connect(database_url)
        migrate.upgrade(engine)
        options = {"settings": {"sweep_every_s": 1}}
        with (
            start_beat(database_url, redis_proxy.url, folder, **options) as beat,  # type: ignore[arg-type]
            start_worker(database_url, redis_proxy.url, folder, concurrency=1, **options) as worker,  # type: ignore[arg-type]
        ):
            yield System(worker, beat, redis_proxy, keys, producer, engine)
        engine.dispose()


def refused(answer: str, command: list[bytes]) -> str | None:
    return None if command[0].upper() in HANDSHAKE else answer


def test_every_answer_is_waited_for_and_logged_in_the_words_of_redis(system: System) -> None:
    for answer in ANSWERS:
        words = answer.removeprefix("ERR ")
        with system.proxy.refusing(lambda command, answer=answer: refused(answer, command)):
            system.send()
            # The second one if the answer made Celery restore its connection.
            sentences = [f"{what}: {words}" for what in (WAITS, RECONNECTS)]
            eventually(lambda s=sentences: any(each in system.worker.log() for each in s))  # type: ignore[misc]
        system.wait_until_scored()
        assert system.is_alive()
    log = system.worker.log() + system.beat.log()
    assert "Traceback" not in log and "Unrecoverable" not in log
    assert "the heartbeat could not be sent: " in log


def test_no_message_is_lost_while_any_command_may_be_refused(system: System) -> None:
    """Random answers to random commands, in every state of a message."""
    random = Random(20_261_126)

    def refuse(command: list[bytes]) -> str | None:
        likely = random.random() < 0.3
        return refused(random.choice(ANSWERS), command) if likely else None

    with system.proxy.refusing(refuse):
        for _ in range(10):
            system.send(6)
            # So that messages are in every state when the next answers arrive.
            eventually(lambda: system.keys.llen(KEY_PREFIX + SCORE_QUEUE) < 40)
    system.wait_until_scored()
    assert system.is_alive()
    eventually(lambda: system.keys.hlen(KEY_PREFIX + "unacked") == 0, 30.0)
    assert "Unrecoverable" not in system.worker.log()


def test_a_failover_and_missing_replicas_are_waited_for(system: System) -> None:
    for refuse, accept in [
        (
            lambda: system.keys.replicaof("127.0.0.1", "1"),
            lambda: system.keys.replicaof("NO", "ONE"),
        ),
        (
            lambda: system.keys.config_set("min-replicas-to-write", 1),
            lambda: system.keys.config_set("min-replicas-to-write", 0),
        ),
    ]:
        system.send(3)
        heartbeats = system.worker.log().count("the heartbeat could not be sent")
        refuse()
        try:
            system.worker.wait_for_log("the heartbeat could not be sent", heartbeats + 1)
        finally:
            accept()
        system.send(3)
        system.wait_until_scored()
    assert system.is_alive()


def test_a_full_redis_is_drained_and_its_worker_stays_visible(system: System) -> None:
    with system.proxy.refusing(lambda command: refused(ANSWERS[0], command)):
        system.send(20)
        system.keys.config_set("maxmemory", "1")
    try:
        system.wait_until_scored()
        assert system.keys.hlen(KEY_PREFIX + "unacked") <= 1
        assert system.keys.zcard(KEY_PREFIX + "alive") > 0
        with pytest.raises(redis.OutOfMemoryError):
            system.keys.set("more", "data")
    finally:
        system.keys.config_set("maxmemory", "0")
    assert system.is_alive()


def test_a_worker_that_is_started_while_redis_is_read_only_waits(
    database_url: str, broker_url: str, tmp_path: Path
) -> None:
    with redis.Redis.from_url(broker_url) as keys, Client(database_url, broker_url) as client:
        keys.replicaof("127.0.0.1", "1")

        def accept_after_the_worker_has_asked() -> None:
            def log() -> str:
                return "".join(file.read_text() for file in tmp_path.glob("worker-*.log"))

            eventually(lambda: "the worker waits: Redis at " in log(), 60.0)
            assert "refuses: READONLY You can't write against a read only replica." in log()
            keys.replicaof("NO", "ONE")

        try:
            with start_worker(
                database_url,
                broker_url,
                tmp_path,
                concurrency=1,
                while_starting=accept_after_the_worker_has_asked,
            ):
                job = client.submit("See you at six").job_id
                assert client.wait([job], timeout_s=60)[0].state == "scored"
        finally:
            keys.replicaof("NO", "ONE")


@pytest.mark.parametrize(
    ("answer", "remedy"),
    [
        ("WRONGPASS invalid username-password pair", "correct the user and the password in"),
        ("ERR unknown command `LMOVE`, with args", "use Redis 6.2 or later."),
        (
            "NOPERM this user has no permissions",
            "give the user the rights that `plumbline redis acl`",
        ),
    ],
)
def test_an_answer_that_cannot_pass_ends_the_start_in_one_sentence(
    database_url: str, broker_url: str, tmp_path: Path, answer: str, remedy: str
) -> None:
    with (
        proxy(broker_url) as redis_proxy,
        redis_proxy.refusing(lambda command: refused(answer, command)),
    ):
        output = failed_start_output(database_url, redis_proxy.url, tmp_path)
    assert "The worker does not start: Redis at redis://worker:***@127.0.0.1:" in output
    assert f" refuses: {answer.removeprefix('ERR ')}; {remedy}" in output
    assert "Traceback" not in output


def test_a_client_quotes_the_answer_of_redis(broker_url: str) -> None:
    from plumbline.broker import check_takes

    with (
        proxy(broker_url) as redis_proxy,
        redis_proxy.refusing(lambda command: refused(ANSWERS[2], command)),
        pytest.raises(BrokerRefuses, match=r"refuses: MISCONF Redis is configured to save") as e,
    ):
        check_takes(redis_proxy.url)
    assert e.value.answer == ANSWERS[2]
