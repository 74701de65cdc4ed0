"""The users of Redis: what a producer, a worker and a monitor may do, and what not.

A neighbour that has the producer's URL may add messages. It may not read, change or delete
anything, learn anything about the server, or write where Plumbline expects its own messages.
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]
import pytest
import redis
from celery import Celery
from kombu import Queue
from redis.exceptions import AuthenticationError, NoPermissionError, ResponseError
from sqlalchemy import Engine, text

from plumbline import heartbeat, redis_users
from plumbline.embedded.redis import RedisServer, redis_server
from plumbline.embedded.redis_program import find_program
from plumbline.queues import (
    ALERTS_TASK,
    BULK_QUEUE,
    KEY_PREFIX,
    LABEL_TASK,
    QUALITY_TASK,
    REPORT_QUEUE,
    SCORE_QUEUE,
    SCORE_TASK,
    SUSPECT_QUEUE,
    SWEEP_TASK,
    UPKEEP_QUEUE,
)
from plumbline.redis_users import SourceWithoutList, setuser_command
from plumbline_client import Client
from plumbline_client.queues import bell, bound_list, lane
from storage import migrate
from storage.database import connect
from tests.acl_log import forget, refusals
from tests.celery_producer import bare_producer
from tests.command import Cli
from tests.paths import CHECKOUT
from tests.servers import TESTER, postgres_server
from tests.waiting import eventually
from tests.workers import environment, start_beat, start_worker

SECRET_TEXT = "a text of another service"
SCORE, BULK = KEY_PREFIX + SCORE_QUEUE, KEY_PREFIX + BULK_QUEUE
EVERY_SECOND = {"sweep_every_s": 1, "quality_every_s": 1, "alert_every_s": 1}
# Commands that change or reveal the server; no user has any of them.
DANGEROUS = """
CONFIG SET dir /tmp
CONFIG SET dbfilename authorized_keys
CONFIG GET *
CONFIG REWRITE
CONFIG RESETSTAT
DEBUG SLEEP 0
DEBUG JMAP
MODULE LOAD /tmp/x.so
MODULE LIST
SAVE
BGSAVE
BGREWRITEAOF
REPLICAOF 127.0.0.1 1
SLAVEOF 127.0.0.1 1
SHUTDOWN NOSAVE
FAILOVER
KEYS *
FLUSHALL
FLUSHDB
SWAPDB 0 1
SCRIPT FLUSH
SCRIPT KILL
SCRIPT LOAD return
FUNCTION FLUSH
FUNCTION LOAD x
MIGRATE 127.0.0.1 1 k 0 10
RESTORE plumbline:x 0 x
DUMP plumbline:plumbline.score
MONITOR
PSYNC ? -1
SYNC
CLIENT KILL TYPE normal
CLIENT LIST
CLIENT PAUSE 1
CLIENT NO-EVICT on
CLIENT TRACKING on
ACL LIST
ACL USERS
ACL SETUSER producer +@all
ACL DELUSER worker
ACL SAVE
ACL LOAD
SLOWLOG GET
LATENCY DOCTOR
MEMORY DOCTOR
CLUSTER INFO
PUBLISH plumbline:x y
SUBSCRIBE plumbline:x
PSUBSCRIBE *
RENAME plumbline:plumbline.score plumbline:x
COPY plumbline:plumbline.score plumbline:x
MOVE plumbline:plumbline.score 1
SORT plumbline:plumbline.score
OBJECT ENCODING plumbline:plumbline.score
SCAN 0
RANDOMKEY
DBSIZE
""".strip().splitlines()
KEY_COMMANDS = {"DUMP", "RENAME", "COPY", "MOVE", "OBJECT", "SCAN", "RANDOMKEY", "DBSIZE"}
# What a worker may do with the keys of Plumbline, and a producer and a monitor not.
READS_OF_MESSAGES = f"""
LRANGE {SCORE} 0 -1
LINDEX {SCORE} 0
LPOP {SCORE}
RPOP {SCORE}
BRPOP {SCORE} 1
LMOVE {SCORE} {SCORE} LEFT LEFT
LMPOP 1 {SCORE} LEFT
GET {SCORE}
HGETALL plumbline:unacked
HGET plumbline:unacked x
HVALS plumbline:unacked
""".strip().splitlines()
WRITES = f"""
DEL {SCORE}
UNLINK {SCORE}
LTRIM {SCORE} 1 0
LREM {SCORE} 0 x
LSET {SCORE} 0 x
RPUSH {SCORE} x
EXPIRE {SCORE} 1
SET plumbline:x y
SADD plumbline:_kombu.binding.plumbline.score x
ZADD plumbline:alive 9999999999 forged
ZREM plumbline:alive x
HSET plumbline:clocks x 0
HDEL plumbline:unacked x
EVAL return(1) 0
EVALSHA ffffffffffffffffffffffffffffffffffffffff 0
MULTI
""".strip().splitlines()
PRODUCERS_OWN_READS = f"LLEN {SCORE}\nZRANGE plumbline:alive 0 -1\nTIME\nINFO\nTYPE {SCORE}".split(
    "\n"
)
FOREIGN_LISTS = [
    UPKEEP_QUEUE,
    REPORT_QUEUE,
    SUSPECT_QUEUE,
    lane(UPKEEP_QUEUE, 0),
    bound_list(SCORE_QUEUE, "billing"),
    bound_list(BULK_QUEUE, "billing"),
    # What the pattern of kombu's priorities must not admit.
    bound_list(SCORE_QUEUE, "a3"),
    bound_list(SCORE_QUEUE, "3"),
    bound_list(SCORE_QUEUE, "billing") + "\x06\x163",
    "unacked",
    "unacked_index",
    "alive",
    "celery",
    "_kombu.binding.plumbline.score",
]
OWN_LISTS = [
    list_name
    for queue in (SCORE_QUEUE, BULK_QUEUE)
    for list_name in (queue, lane(queue, 0), lane(queue, 15), bell(queue), f"{queue}\x06\x169")
]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with redis_server(tmp_path_factory.mktemp("users") / "redis", [TESTER]) as running:
        yield running


@pytest.fixture(scope="module")
def keys(server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.urls[TESTER.name]) as connection:
        connection.lpush(SCORE, SECRET_TEXT)
        connection.hset(KEY_PREFIX + "unacked", "x", SECRET_TEXT)
        yield connection


def run(server: RedisServer, user: str, command: str) -> Any:
    # One connection per command: some change the state of theirs.
    with redis.Redis.from_url(server.urls[user]) as connection:
        return connection.execute_command(*command.split())


def is_refused(server: RedisServer, user: str, command: str) -> bool:
    """Return whether Redis refuses: for a lack of rights, for all users, or as unknown."""
    try:
        run(server, user, command)
    except NoPermissionError:
        return True
    except ResponseError as error:
        words = ("unknown command", "unknown subcommand", "command not allowed")
        return any(word in str(error) for word in words)
    return False


def test_no_user_may_change_or_inspect_the_server(server: RedisServer, keys: redis.Redis) -> None:
    for user in ("producer", "worker", "monitor", "admin"):
        for command in DANGEROUS:
            # The administrator works on the keys of Plumbline, to mend them by hand.
            if user != "admin" or command.split()[0] not in KEY_COMMANDS:
                assert is_refused(server, user, command), (user, command)
    assert keys.lrange(SCORE, 0, -1) == [SECRET_TEXT.encode()]


def test_a_producer_adds_messages_and_can_do_nothing_else(
    server: RedisServer, keys: redis.Redis
) -> None:
    for command in [*READS_OF_MESSAGES, *WRITES, *PRODUCERS_OWN_READS]:
        assert is_refused(server, "producer", command), command
    with redis.Redis.from_url(server.urls["producer"]) as producer:
        for name in FOREIGN_LISTS:
            with pytest.raises(NoPermissionError):
                producer.lpush(KEY_PREFIX + name, "x")
        for name in ("x", SCORE_QUEUE, KEY_PREFIX, "plumbline", "PLUMBLINE:plumbline.score"):
            with pytest.raises(NoPermissionError):
                producer.lpush(name, "x")
        for name in OWN_LISTS:
            assert producer.lpush(KEY_PREFIX + name, "x") >= 1, name
        # Several keys in one command are checked one by one; a transaction is refused whole.
        with pytest.raises(NoPermissionError), producer.pipeline() as pipeline:
            pipeline.lpush(SCORE, "y").delete(SCORE).execute()
    keys.delete(*(KEY_PREFIX + name for name in OWN_LISTS))
    keys.lpush(SCORE, SECRET_TEXT)


def test_a_monitor_reads_no_message_and_writes_nothing(
    server: RedisServer, keys: redis.Redis
) -> None:
    for command in [*READS_OF_MESSAGES, *WRITES, f"LPUSH {SCORE} x"]:
        assert is_refused(server, "monitor", command), command
    assert run(server, "monitor", f"LLEN {SCORE}") == keys.llen(SCORE)


def test_a_worker_works_on_the_keys_of_plumbline_alone(
    server: RedisServer, keys: redis.Redis
) -> None:
    keys.set("theirs", "theirs")
    for command in (
        "DEL theirs",
        "LPUSH other x",
        "HGETALL theirs",
        "EVAL return(redis.call('DEL','theirs')) 0",
        "EVAL return(redis.call('SET','other','x')) 0",
        "EVAL return(redis.call('CONFIG','GET','*')) 0",
        "EVAL return(redis.call('PUBLISH','plumbline:x','y')) 0",
    ):
        with pytest.raises(
            ResponseError, match=r"(?i)permission|can't access|ACL failure|not allowed"
        ):
            run(server, "worker", command)
    assert keys.get("theirs") == b"theirs"
    keys.delete("theirs")


def test_nobody_gets_in_without_the_name_of_a_user(server: RedisServer) -> None:
    address = server.url.rpartition("@")[2]
    passwords = [
        url.partition("//")[2].partition("@")[0].split(":")[1] for url in server.urls.values()
    ]
    logins = ["", *(f":{password}@" for password in passwords), "producer:wrong@", "default:@"]
    for login in logins:
        with (
            redis.Redis.from_url(f"redis://{login}{address}") as connection,
            pytest.raises((AuthenticationError, ResponseError)),
        ):
            connection.ping()


def test_the_source_of_bound_lists_writes_to_them_alone(
    server: RedisServer, keys: redis.Redis
) -> None:
    user = redis_users.producer("a.b-c_1")
    rights = user.rights(setinfo=find_program().knows_setinfo)
    keys.execute_command(*setuser_command(user, "pw", rights).split())
    lists = [bound_list(queue, "a.b-c_1") for queue in (SCORE_QUEUE, BULK_QUEUE)]
    others = [
        SCORE_QUEUE,
        lane(SCORE_QUEUE, 0),
        *(bound_list(SCORE_QUEUE, s) for s in ("a.b-c_12", "a.b-c_1x3", "a_b-c_1", "a.b-c_", "*")),
    ]
    url = f"redis://{user.name}:pw@{server.url.rpartition('@')[2]}"
    with redis.Redis.from_url(url) as producer:
        for name in [*lists, lists[0] + "\x06\x163"]:
            assert producer.lpush(KEY_PREFIX + name, "x") == 1
            keys.delete(KEY_PREFIX + name)
        for name in others:
            with pytest.raises(NoPermissionError):
                producer.lpush(KEY_PREFIX + name, "x")
    keys.acl_deluser(user.name)
    for name in ("", "a b", "a*", "a\n+@all", "é", "x" * 101):
        with pytest.raises(SourceWithoutList):
            redis_users.producer(name)


def test_the_server_has_no_rights_on_the_machine(server: RedisServer, keys: redis.Redis) -> None:
    """Even who may do everything in Redis writes no file elsewhere and loads no module."""
    process = psutil.Process(server.process.pid)
    if os.geteuid() == 0:
        assert 0 not in process.uids() and 0 not in process.gids()
    folder = server.log.parent
    assert process.cwd() == str(folder / "data")
    for command in ("CONFIG SET dir /tmp", "CONFIG SET dbfilename x", "MODULE LOAD /x", "DEBUG x"):
        with pytest.raises(ResponseError, match=r"(?i)protected|not allowed|unknown"):
            keys.execute_command(*command.split())
    secrets = [folder / "users.json", folder / "redis.conf"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in secrets} == {0o600}
    for password in (url.split(":")[2].partition("@")[0] for url in server.urls.values()):
        assert password not in (folder / "redis.conf").read_text()
        assert password not in " ".join(process.cmdline())
        assert password not in server.log.read_text()


def test_the_printed_commands_create_the_same_users(
    server: RedisServer, keys: redis.Redis, tmp_path: Path
) -> None:
    cli = Cli(tmp_path, environment("postgresql://none/none", server.url, tmp_path))
    rules = ("commands", "keys", "channels", "flags")
    before = {name: keys.acl_getuser(name) for name in ("producer", "worker", "monitor")}
    options = [] if find_program().knows_setinfo else ["--older"]
    for command in cli.run("redis", "acl", *options).splitlines():
        keys.execute_command(*command.split())
    for name, user in before.items():
        after = keys.acl_getuser(name)
        assert {rule: after[rule] for rule in rules} == {rule: user[rule] for rule in rules}
        assert len(after["passwords"]) == 1 and after["passwords"] != user["passwords"]
        # As they were, for the other tests.
        keys.execute_command("ACL", "SETUSER", name, "resetpass", "#" + user["passwords"][0])
    printed = cli.json("redis", "acl", "--rights-only", "--source", "billing", "--select")
    (rights,) = printed["users"]
    assert (rights["user"], rights["password"]) == ("producer-billing", None)
    assert rights["command"].startswith("ACL SETUSER producer-billing resetkeys resetchannels ")
    assert rights["command"].endswith(" +select")
    assert "--source" not in cli.error("redis", "acl", "--source", "a b")


# Prints its version, or its name and arguments, and keeps the configuration it is started with.
STAND_IN = """#!/bin/sh
[ "$1" = --version ] && {{ echo "Redis server v={version} sha=0"; exit; }}
for argument; do case "$argument" in *.conf) cat "$argument" > "$CAPTURED" ;; esac; done
echo "${{0##*/}} $@"
"""


@pytest.mark.parametrize(
    ("version", "programs"),
    [("7.4.1", ["redis-server", "docker-entrypoint.sh"]), ("7.0.15", ["redis-server"])],
)
def test_compose_starts_redis_with_the_same_users(
    tmp_path: Path, version: str, programs: list[str]
) -> None:
    """The script in the official image and in one of a distribution, with stand-in programs."""
    for name in programs:
        (tmp_path / name).write_text(STAND_IN.format(version=version))
        (tmp_path / name).chmod(0o755)
    captured = tmp_path / "captured.conf"
    variables = {
        f"REDIS_{name}_PASSWORD": f"pw of {name} '\"$(x)"
        for name in ("WORKER", "PRODUCER", "MONITOR")
    }
    started = subprocess.run(
        ["sh", CHECKOUT / "deploy/redis/start", "--port", "7"],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "CAPTURED": str(captured)}
        | {"TMPDIR": str(tmp_path)}
        | variables,
        capture_output=True,
        text=True,
        check=False,
    )
    assert started.returncode == 0, started.stderr
    assert started.stdout.startswith(f"{programs[-1]} ") and "--port 7" in started.stdout
    lines = captured.read_text().splitlines()
    users = (redis_users.worker(), redis_users.producer(), redis_users.monitor())
    passwords = [variables[f"REDIS_{user.name.upper()}_PASSWORD"] for user in users]
    knows_setinfo = version != "7.0.15"
    expected = [
        f"user {user.name} on {redis_users.password_rule(password)} "
        + user.rights(setinfo=knows_setinfo)
        for user, password in zip(users, passwords, strict=True)
    ]
    assert sorted(line for line in lines if line.startswith("user ")) == sorted(
        ["user default off resetpass resetkeys resetchannels -@all", *expected]
    )
    assert "pw of" not in captured.read_text()


@dataclass(frozen=True, slots=True)
class System:
    """Everything that `plumbline up` runs, each part with its own user."""

    server: RedisServer
    database_url: str
    engine: Engine

    def count(self, table: str) -> int:
        with self.engine.connect() as connection:
            return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def test_everything_works_with_the_rights_of_its_user(
    server: RedisServer, keys: redis.Redis, tmp_path: Path
) -> None:
    """Submit, score, label, sweep, report, alert, watch and drain; Redis refuses nothing."""
    keys.flushall()
    with postgres_server(tmp_path / "postgres") as database_url:
        engine = connect(database_url)
        migrate.upgrade(engine)
        system = System(server, database_url, engine)
        forget(keys)
        with (
            start_beat(database_url, server.url, tmp_path, settings=EVERY_SECOND),
            start_worker(
                database_url,
                server.url,
                tmp_path,
                queues=",".join((UPKEEP_QUEUE, SCORE_QUEUE, BULK_QUEUE, REPORT_QUEUE)),
                settings=EVERY_SECOND,
            ),
        ):
            submit_and_label(system)
            for task in (QUALITY_TASK, ALERTS_TASK, SWEEP_TASK):
                eventually(lambda task=task: has_run(system, task), 60.0, f"{task} does not run")
            watch(system, tmp_path)
            assert refusals(keys) == []
        engine.dispose()
    assert refusals(keys) == []
    foreign = [key for key in keys.scan_iter() if not key.startswith(KEY_PREFIX.encode())]
    assert foreign == []


def submit_and_label(system: System) -> None:
    url = system.server.urls["producer"]
    with Client(system.database_url, url) as client, bare_producer(url) as producer:
        receipts = client.submit_many(["See you at six"] * 5 + ["x" * 20_000])
        assert all(receipt.published for receipt in receipts)
        jobs = [{"text": "hello", "key": "mail-1"}]
        send_bare(producer, SCORE_TASK, version=1, source="bare", jobs=jobs)
        client.wait([receipt.job_id for receipt in receipts], timeout_s=60)
        eventually(lambda: system.count("plumbline.predictions") == 7, 60.0, "not all are scored")
        label = {"source": "bare", "key": "mail-1", "label": "1", "by": "support"}
        send_bare(producer, LABEL_TASK, version=1, labels=[label])
        eventually(lambda: system.count("plumbline.labels") == 1, 20.0, "the label is not stored")


def send_bare(producer: Celery, task: str, **arguments: Any) -> None:
    """Send as the README shows: without a declaration, for which a producer has no rights."""
    queue = Queue(SCORE_QUEUE, no_declare=True)
    producer.send_task(task, kwargs=arguments, queue=queue, ignore_result=True)


def has_run(system: System, task: str) -> bool:
    with system.engine.connect() as connection:
        query = text("SELECT count(*) FROM plumbline.periodic_tasks WHERE task = :task")
        return bool(connection.execute(query, {"task": task}).scalar_one())


def watch(system: System, folder: Path) -> None:
    variables = environment(system.database_url, system.server.urls["monitor"], folder)
    cli = Cli(folder, variables)
    health = ("health", "--stalled-after", "600")
    eventually(lambda: cli.complete(*health).returncode == 0, 60.0, "it is not healthy")
    assert cli.json(*health)["live"]
    status = cli.json("status")
    assert status["ok"] and len(status["workers"]) == 1
    # A producer may not ask; one sentence reports it.
    producer = Cli(folder, variables | {"PLUMBLINE_BROKER_URL": system.server.urls["producer"]})
    reason = producer.json("health", code=3)["reason"]
    assert "refuses: NOPERM" in reason and "`plumbline redis acl`" in reason
    with redis.Redis.from_url(system.server.urls[TESTER.name]) as keys:
        assert {line.split(":")[0] for line in refusals(keys)} == {"producer"}
        forget(keys)
        assert heartbeat.recent(keys)
