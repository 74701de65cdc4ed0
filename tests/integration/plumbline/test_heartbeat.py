from __future__ import annotations

import redis

from plumbline import heartbeat
from plumbline.heartbeat import KEY, MAX_AGE_S, Heartbeat, WorkerStatus


def test_old_heartbeats_do_not_count_and_the_newest_of_a_process_does(broker_url: str) -> None:
    machine = heartbeat.machine_name()
    with redis.Redis.from_url(broker_url) as connection:
        heartbeat.send(connection, WorkerStatus.LOADING, "w")
        connection.zincrby(KEY, -5, f"loading {machine} w")
        heartbeat.send(connection, WorkerStatus.SCORING, "w")
        assert heartbeat.recent(connection) == [Heartbeat(WorkerStatus.SCORING, machine, "w")]
        for status in ("scoring", "loading"):
            connection.zincrby(KEY, -4 * MAX_AGE_S, f"{status} {machine} w")
        assert heartbeat.recent(connection) == []
