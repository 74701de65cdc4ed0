from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, text

from storage.periodic_tasks import begin, schedule


def begins(engine: Engine, task: str = "drift", every_s: float = 3_600.0) -> bool:
    with engine.begin() as connection:
        return begin(connection, task, every_s)


def age(engine: Engine, task: str = "drift", every_s: float = 3_600.0) -> float:
    with engine.begin() as connection:
        return schedule(connection, {task: every_s, "other": 1.0})[task]


def pass_time(engine: Engine, seconds: float) -> None:
    """Let PostgreSQL's clock proceed by so much, or go back."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "UPDATE plumbline.periodic_tasks SET "
                "began_at = began_at - make_interval(secs => :seconds), "
                "first_scheduled_at = first_scheduled_at - make_interval(secs => :seconds)"
            ),
            {"seconds": seconds},
        )


def test_a_task_that_just_began_does_not_begin_again(engine: Engine) -> None:
    assert begins(engine)
    assert not begins(engine)
    assert begins(engine, "quality"), "each task by itself"
    pass_time(engine, 0.7 * 3_600)
    assert not begins(engine)
    pass_time(engine, 0.1 * 3_600)
    assert begins(engine), "its last message had waited, so this one is not one too many"
    assert not begins(engine)


@pytest.mark.parametrize("back_s", [1.0, 3_600.0, 1e8])
def test_a_clock_that_was_set_back_does_not_block_a_task(engine: Engine, back_s: float) -> None:
    assert begins(engine)
    pass_time(engine, -back_s)
    assert age(engine) < 0, "beat sends it at once"
    assert begins(engine)
    assert not begins(engine)


def test_of_many_workers_one_begins(engine: Engine) -> None:
    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(lambda _: begins(engine), range(8))) == 1


def test_a_restarted_beat_neither_postpones_nor_doubles_a_task(engine: Engine) -> None:
    for restart in range(2):
        assert 0 <= age(engine) - 1_800 * restart < 60
        pass_time(engine, 1_800)
    assert age(engine) >= 3_600, "it never began, and is due now"
    assert begins(engine)
    assert 0 <= age(engine) < 60
    pass_time(engine, 1_800)
    assert 1_800 <= age(engine) < 1_860
