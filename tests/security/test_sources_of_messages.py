"""Sources on the message path: what a producer that writes to Redis may and may not bring.

It may bring texts of sources that nobody bound, and those of the source whose list it may write to.
It may not bring texts of another source, whatever it writes into a message, nor label in the name
of another. What is refused has a row that says why not, and never one under the other's identity.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
import redis

from plumbline.queues import (
    BULK_QUEUE,
    KEY_PREFIX,
    LABEL_TASK,
    SCORE_QUEUE,
    SCORE_TASK,
    UPKEEP_QUEUE,
)
from plumbline_client.identity import keyed_id
from plumbline_client.message import celery_message, wake_up
from plumbline_client.queues import bound_list, lane
from storage import labellers, sources
from storage.database import connect
from storage.labellers import Grant
from storage.states import GranteeKind
from tests.servers import database, redis_server
from tests.waiting import eventually
from tests.workers import Worker, start_worker

OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Producers:
    """A worker, and its Redis, to which a producer writes what it likes.

    `listed` is bound to its list, `roled` to a role, `granted` to its list with a labeller's name.
    """

    worker: Worker
    keys: redis.Redis
    url: str

    def push(
        self,
        arguments: dict[str, Any],
        list_name: str = SCORE_QUEUE,
        task: str = SCORE_TASK,
        **headers: Any,
    ) -> str:
        """Write a message to a list; return its id."""
        message_id = str(uuid.uuid4())
        message = celery_message(task, arguments, list_name, message_id, headers)
        self.keys.lpush(KEY_PREFIX + list_name, message)
        return message_id

    def rows(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        with psycopg.connect(self.url) as connection:
            return connection.execute(statement, values).fetchall()

    def operate(self, change: Any, *arguments: Any, **options: Any) -> None:
        engine = connect(self.url)
        with engine.begin() as connection:
            change(connection, *arguments, **options)
        engine.dispose()

    def rejections(self, *message_ids: str) -> list[str]:
        """Wait for the rows of these messages; return their reasons, in order."""
        found = "SELECT reason FROM plumbline.rejected_messages WHERE message_id = %s"

        def reasons() -> list[str]:
            rows = [self.rows(found, message_id) for message_id in message_ids]
            return [reason for ((reason,),) in rows] if all(rows) else []

        return eventually(reasons, 60.0, "not every message has a row that says why not")

    def scored(self, source: str, count: int) -> list[str]:
        """Wait for scored texts of a source; return them, sorted."""
        found = "SELECT text FROM plumbline.jobs WHERE source = %s AND state = 'scored'"

        def texts() -> list[str]:
            rows = self.rows(found, source)
            return sorted(text for (text,) in rows) if len(rows) >= count else []

        return eventually(texts, 60.0, f"{count} texts of {source} are not scored")

    def labels(self, job: uuid.UUID) -> dict[str, tuple[int, str]]:
        found = "SELECT source, label, recorded_by FROM plumbline.labels WHERE job_id = %s"
        return {by: (label, recorder) for by, label, recorder in self.rows(found, job)}


def text_message(text: str, source: str | None = None, key: str | None = None) -> dict[str, Any]:
    arguments: dict[str, Any] = {"version": 1, "jobs": [{"text": text, "key": key}]}
    return arguments if source is None else arguments | {"source": source}


def label_message(*labels: dict[str, str]) -> dict[str, Any]:
    return {"version": 1, "labels": list(labels)}


@pytest.fixture(scope="module")
def producers(
    postgres_server_url: str, template: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Producers]:
    with (
        database(postgres_server_url, template) as url,
        redis_server(tmp_path_factory.mktemp("redis")) as broker_url,
        redis.Redis.from_url(broker_url) as keys,
    ):
        engine = connect(url)
        with engine.begin() as connection:
            for name in ("listed", "granted"):
                sources.bind(connection, name, OPERATOR, role=None, queue=True)
            sources.bind(connection, "roled", OPERATOR, role="plumbline_producer", queue=False)
            labellers.grant(connection, Grant("support", GranteeKind.SOURCE, "granted"), OPERATOR)
        engine.dispose()
        folder = tmp_path_factory.mktemp("worker")
        with start_worker(url, broker_url, folder, concurrency=1) as worker:
            yield Producers(worker, keys, url)


def test_a_message_cannot_bring_texts_of_a_bound_source(producers: Producers) -> None:
    """Whatever it writes into its headers, and whatever list of its own it uses.

    The text has no row under the other's identity, and the rejected message has one without it.
    """
    secret = "WINNER!! Claim your prize"
    forged = {"plumbline_list": f"{SCORE_QUEUE}@listed", "origin": "listed"}
    sent = [
        producers.push(text_message(secret, "listed", "mail-1")),
        producers.push(text_message(secret, "listed", "mail-1"), BULK_QUEUE),
        producers.push(text_message(secret, "listed", "mail-1"), lane(SCORE_QUEUE, 3)),
        producers.push(text_message(secret, "listed", "mail-1"), **forged),
        producers.push(text_message(secret, "listed"), bound_list(SCORE_QUEUE, "granted")),
        producers.push(text_message(secret, "roled", "mail-1")),
        producers.push(text_message(secret, "roled"), bound_list(SCORE_QUEUE, "roled")),
        producers.push(text_message(secret, "default"), bound_list(SCORE_QUEUE, "listed")),
    ]
    own = "source: texts of listed come only in the lists of this source"
    roles = "source: texts of roled come only from the roles that it is bound to"
    assert producers.rejections(*sent) == [
        own,
        own,
        own,
        own,
        "source: the list of granted brings no texts of listed",
        roles,
        roles,
        "source: the list of listed brings no texts of default",
    ]
    assert producers.rows("SELECT FROM plumbline.jobs WHERE text = %s", secret) == []
    rejected = producers.rows("SELECT to_json(r) FROM plumbline.rejected_messages AS r")
    assert secret not in json.dumps(rejected) + producers.worker.log()
    assert {row["source"] for (row,) in rejected} == {"listed", "roled", "default"}
    # Its owner's text has the key.
    producers.push(text_message("yours", "listed", "mail-1"), bound_list(SCORE_QUEUE, "listed"))
    assert "yours" in producers.scored("listed", 1)


def test_the_list_of_a_source_brings_its_texts(producers: Producers) -> None:
    """Named or not, in every queue; everybody else's sources stay open."""
    own = bound_list(SCORE_QUEUE, "granted")
    producers.push(text_message("named", "granted"), own)
    producers.push(text_message("not named"), own)
    producers.push(text_message("in bulk"), bound_list(BULK_QUEUE, "granted"))
    producers.push(text_message("of everybody", "web"))
    assert producers.scored("granted", 3) == ["in bulk", "named", "not named"]
    assert producers.scored("web", 1) == ["of everybody"]


def test_a_wake_up_changes_nothing_wherever_it_comes_from(producers: Producers) -> None:
    """A producer can wake a worker for the job of another, which the job waits for anyway."""
    submit = "SELECT plumbline.submit_v1('woken', key => 'woken', source => 'listed')"
    with psycopg.connect(producers.url, autocommit=True) as connection:
        connection.execute(submit)
    wake = wake_up([keyed_id("listed", "woken"), uuid.uuid4()])
    producers.push(wake | {"source": "listed"})
    producers.push(wake, bound_list(SCORE_QUEUE, "granted"))
    state = "SELECT state, attempts FROM plumbline.jobs WHERE source = 'listed' AND key = 'woken'"
    eventually(lambda: producers.rows(state) == [("scored", 1)], 60.0, "the job is not scored")


def test_a_released_source_leaves_no_message_behind(producers: Producers) -> None:
    """Its list is still read, and anybody may use the source again."""
    producers.operate(sources.bind, "left", OPERATOR, role=None, queue=True)
    producers.operate(sources.unbind, "left", OPERATOR, role=None, queue=False)
    producers.push(text_message("in its list"), bound_list(SCORE_QUEUE, "left"))
    producers.push(text_message("of everybody", "left"))
    assert producers.scored("left", 2) == ["in its list", "of everybody"]
    foreign = producers.push(text_message("x", "web"), bound_list(SCORE_QUEUE, "left"))
    (reason,) = producers.rejections(foreign)
    assert reason == "source: the list of left brings no texts of web"


def test_a_closed_installation_takes_messages_of_bound_sources_alone(producers: Producers) -> None:
    producers.operate(sources.set_closed, True, OPERATOR)
    try:
        label = label_message({"key": "mail-1", "source": "web", "label": "1", "by": "ann"})
        sent = [
            producers.push(text_message("x", "web")),
            producers.push(text_message("x")),
            producers.push(label, task=LABEL_TASK),
        ]
        assert all("closed" in reason for reason in producers.rejections(*sent))
        producers.push(text_message("while closed"), bound_list(SCORE_QUEUE, "listed"))
        eventually(lambda: "while closed" in producers.scored("listed", 1), 60.0, "not scored")
    finally:
        producers.operate(sources.set_closed, False, OPERATOR)


def test_a_message_labels_as_its_list_says(producers: Producers) -> None:
    """In an ordinary list it may use a name of nobody, and replaces no label of anybody else.

    It labels no text of a bound source, and none as a bound source or under a granted name.
    """
    with psycopg.connect(producers.url, autocommit=True) as connection:
        for source, key in (("web", "l-1"), ("listed", "l-2"), ("granted", "l-3")):
            call = "SELECT plumbline.submit_v1(%s, key => %s, source => %s)"
            connection.execute(call, [f"{source} {key}", key, source])
        by_ann = "key => 'l-1', source => 'web', label => '1', said_by => 'ann'"
        connection.execute(f"SELECT plumbline.label_v1({by_ann})")
    web, listed = keyed_id("web", "l-1"), keyed_id("listed", "l-2")
    granted = keyed_id("granted", "l-3")
    of_web, of_listed = {"job_id": str(web)}, {"job_id": str(listed)}

    def send(list_name: str, *labels: dict[str, str]) -> str:
        named = [{"label": "0", **label} for label in labels]
        return producers.push(label_message(*named), list_name, LABEL_TASK)

    rejected = [
        send(SCORE_QUEUE, of_web | {"by": "support"}),
        send(SCORE_QUEUE, of_web | {"by": "listed"}),
        send(SCORE_QUEUE, of_web),
        send(bound_list(SCORE_QUEUE, "listed"), of_listed | {"by": "ann"}),
        send(bound_list(SCORE_QUEUE, "listed"), of_listed | {"by": "x" * 201}),
    ]
    refused = [
        send(SCORE_QUEUE, of_web | {"by": "ann"}),
        send(SCORE_QUEUE, of_listed | {"by": "eve"}, {"job_id": str(uuid.uuid4()), "by": "eve"}),
        send(bound_list(SCORE_QUEUE, "listed"), of_web),
    ]
    producers.rejections(*rejected)
    assert producers.rejections(*refused) == [
        f"labels: 1 of {number} would change what belongs to others" for number in (1, 2, 1)
    ]
    send(UPKEEP_QUEUE, of_web | {"by": "eve", "label": "1"})
    send(bound_list(SCORE_QUEUE, "listed"), {"key": "l-2"})
    last = send(
        bound_list(SCORE_QUEUE, "granted"),
        *({"by": "support", "job_id": str(job)} for job in (web, listed, granted)),
    )
    producers.worker.wait_for_log(f"message {last}: 3 labels accepted")
    assert producers.labels(web) == {
        "ann": (1, f"role:{producers.rows('SELECT session_user')[0][0]}"),
        "eve": (1, "message"),
        "support": (0, "message:granted"),
    }
    assert producers.labels(listed) == {
        "listed": (0, "message:listed"),
        "support": (0, "message:granted"),
    }
