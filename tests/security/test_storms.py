"""A neighbour that floods the queues, sends long texts, or sends texts that end their process.

It may fill its own lane, and slow others down by the time that its lane takes. It may not make the
texts of other sources wait behind its own, nor healthy texts behind suspects.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pytest
import redis
from sqlalchemy import text

from plumbline.broker import queue_depth
from plumbline.queues import BULK_QUEUE, KEY_PREFIX, SCORE_QUEUE, SCORING_QUEUES, SUSPECT_QUEUE
from plumbline_client import Client, Result, Submission
from plumbline_client.broker import Publisher
from plumbline_client.queues import bell, lane_of
from storage.database import open_engine
from storage.jobs.outbox import take_due_jobs
from tests import poison
from tests.celery_producer import bare_producer
from tests.servers import database
from tests.waiting import eventually
from tests.workers import start_worker
from worker.sweeper import publish, wake_ups_for

FLOOD, OTHER, DEADLY, BARE = "flood", "victim", "deadly", "bare"
MESSAGE_SIZE = 64
FLOOD_SINGLES, OTHER_SINGLES = 100, 10
FLOOD_MESSAGES = 4
LONG = "All work and no play makes Jack a dull boy. " * 250
SETTINGS = {"max_attempts": 2, "lease_s": 600}
TIMEOUT_S = 120.0


@dataclass(frozen=True, slots=True)
class Storm:
    """What ended when, by the kind of text."""

    flood_singles: list[Result]
    other_singles: list[Result]
    flood_bulk: list[Result]
    other_bulk: list[Result]
    long: Result
    suspects: list[Result]
    bare: dict[str, Result]
    depths: dict[str, int]
    bells: dict[str, int]


def ended_at(results: list[Result]) -> list[datetime]:
    times = [result.finished_at for result in results]
    assert None not in times
    return sorted(time for time in times if time is not None)


@pytest.fixture(scope="module")
def storm(
    postgres_server_url: str,
    template: str,
    redis_url: str,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Storm]:
    """Fill all queues, the neighbour's texts first, and then start one process that scores."""
    with redis.Redis.from_url(redis_url) as connection:
        connection.flushall()
    with database(postgres_server_url, template) as url:
        yield weather(url, redis_url, tmp_path_factory.mktemp("storm"))


def weather(database_url: str, broker_url: str, folder: Path) -> Storm:
    assert len({lane_of(source) for source in (FLOOD, OTHER, DEADLY)}) == 3
    with Client(database_url, broker_url, message_size=MESSAGE_SIZE) as client:
        suspects = submit_suspects(client, database_url, broker_url)
        long = client.submit(LONG, source=FLOOD).job_id
        bulk = [f"bulk {n}" for n in range(MESSAGE_SIZE)]
        flood_bulk = submit(client, bulk * FLOOD_MESSAGES, FLOOD)
        flood_singles = [client.submit(f"single {n}", source=FLOOD) for n in range(FLOOD_SINGLES)]
        send_bare(broker_url)
        other_singles = [client.submit(f"single {n}", source=OTHER) for n in range(OTHER_SINGLES)]
        other_bulk = submit(client, bulk, OTHER)
        depths = {queue: queue_depth(broker_url, queue) for queue in SCORING_QUEUES}
        with start_worker(
            database_url,
            broker_url,
            folder,
            concurrency=1,
            app="tests.poison_app",
            settings=SETTINGS,
        ):
            sweep_until_ended(client, database_url, broker_url, suspects)
            results = {
                name: client.wait(ids, TIMEOUT_S)
                for name, ids in {
                    "flood_singles": [receipt.job_id for receipt in flood_singles],
                    "other_singles": [receipt.job_id for receipt in other_singles],
                    "flood_bulk": flood_bulk,
                    "other_bulk": other_bulk,
                    "suspects": suspects,
                }.items()
            }
            (scored_long,) = client.wait([long], TIMEOUT_S)
            bare = eventually(lambda: bare_results(client), TIMEOUT_S)
            bells = eventually(lambda: silent_bells(broker_url))
    return Storm(long=scored_long, bare=bare, depths=depths, bells=bells, **results)


def submit(client: Client, texts: list[str], source: str) -> list[uuid.UUID]:
    return [receipt.job_id for receipt in client.submit_many(texts, source=source)]


def submit_suspects(client: Client, database_url: str, broker_url: str) -> list[uuid.UUID]:
    """Queue texts whose first attempt ended their process."""
    texts = [Submission(f"{poison.SEGFAULT} {n}", key=str(n)) for n in range(2)]
    ids = [receipt.job_id for receipt in client.submit_many(texts, source=DEADLY)]
    with redis.Redis.from_url(broker_url) as connection:
        connection.flushall()
    with open_engine(database_url) as engine, engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE plumbline.jobs SET attempts = 1, error = 'it was killed', "
                "published_at = NULL"
            )
        )
    relay(database_url, broker_url)
    return ids


def relay(database_url: str, broker_url: str) -> None:
    with (
        open_engine(database_url) as engine,
        Publisher(broker_url) as publisher,
        engine.begin() as connection,
    ):
        due = take_due_jobs(connection, max_attempts=2, limit=1_000)
        assert publish(publisher, wake_ups_for(due, MESSAGE_SIZE)) == []


def send_bare(broker_url: str) -> None:
    """Send a long and a short text to the express queue, as a producer that knows no other."""
    with bare_producer(broker_url) as producer:
        for body in (LONG * 2, "short"):
            arguments = {"version": 1, "source": BARE, "jobs": [{"text": body}]}
            producer.send_task(
                "plumbline.score", kwargs=arguments, queue=SCORE_QUEUE, ignore_result=True
            )


def sweep_until_ended(
    client: Client, database_url: str, broker_url: str, ids: list[uuid.UUID]
) -> None:
    """Stand in for beat's relay, which publishes what crashes returned."""

    def ended() -> bool:
        relay(database_url, broker_url)
        return all(result.finished_at for result in client.results(ids=ids))

    eventually(ended, TIMEOUT_S)


def bare_results(client: Client) -> dict[str, Result]:
    results = client.results(source=BARE)
    if len(results) < 2 or not all(result.finished_at for result in results):
        return {}
    return {"short" if result.text == "short" else "long": result for result in results}


def silent_bells(broker_url: str) -> dict[str, int]:
    with redis.Redis.from_url(broker_url) as connection:
        lengths = {
            queue: int(connection.llen(KEY_PREFIX + bell(queue)))  # type: ignore[arg-type]
            for queue in SCORING_QUEUES
        }
    return {} if any(lengths.values()) else lengths


def test_each_text_goes_to_the_queue_for_its_length_and_its_past(storm: Storm) -> None:
    """The long text is alone in its message, and not single."""
    assert storm.depths == {
        SCORE_QUEUE: FLOOD_SINGLES + OTHER_SINGLES + 2,
        BULK_QUEUE: 1 + FLOOD_MESSAGES + 1,
        SUSPECT_QUEUE: 2,
    }


def test_nothing_is_lost_in_the_storm(storm: Storm) -> None:
    healthy = [
        *storm.flood_singles,
        *storm.other_singles,
        *storm.flood_bulk,
        *storm.other_bulk,
        storm.long,
        *storm.bare.values(),
    ]
    assert {(result.state, result.attempts) for result in healthy} == {("scored", 1)}
    assert {(result.state, result.attempts) for result in storm.suspects} == {("quarantined", 2)}


def test_single_texts_do_not_wait_behind_the_flood_of_another_source(storm: Storm) -> None:
    """The neighbour may take half of the time, and not all of it until its flood is over."""
    last = ended_at(storm.other_singles)[-1]
    before = [end for end in ended_at(storm.flood_singles) if end < last]
    assert len(before) < FLOOD_SINGLES / 2


def test_bulk_loads_of_several_sources_share_the_time(storm: Storm) -> None:
    last = ended_at(storm.other_bulk)[-1]
    assert ended_at(storm.flood_bulk)[-1] > last


def test_single_texts_do_not_wait_behind_a_long_one(storm: Storm) -> None:
    singles = ended_at([*storm.flood_singles, *storm.other_singles])
    assert storm.long.finished_at is not None and storm.long.finished_at > singles[-1]


def test_a_long_text_in_the_express_queue_is_moved_behind_the_short_ones(storm: Storm) -> None:
    """A bare producer chooses the queue, and may not choose how long others wait."""
    singles = ended_at([*storm.other_singles, storm.bare["short"]])
    assert storm.bare["long"].finished_at is not None
    assert storm.bare["long"].finished_at > singles[-1]


def test_suspects_wait_for_the_single_texts(storm: Storm) -> None:
    """They were queued first, and end the process that scores all others."""
    singles = ended_at([*storm.flood_singles, *storm.other_singles])
    assert ended_at(storm.suspects)[0] > singles[-1]


def test_wake_ups_do_not_pile_up(storm: Storm) -> None:
    assert storm.bells == dict.fromkeys(SCORING_QUEUES, 0)
