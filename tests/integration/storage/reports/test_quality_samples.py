"""The counts of a quality report from a sample, on a real PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Connection, Engine, text

from storage.reports import quality_counts, quality_samples
from storage.reports.quality_counts import OTHER_SOURCES, WindowCounts

MIDNIGHT = datetime(2025, 5, 4, tzinfo=UTC)
DAY = timedelta(days=1)
LIVE, CANARY, SHADOW = "m/1.0.0", "m/1.1.0", "m/1.2.0"

INSERT = text("""
WITH written AS (
    INSERT INTO plumbline.jobs (id, source, text_sha256, state, finished_at)
    VALUES (:id, :source, '', 'scored', :at) ON CONFLICT DO NOTHING
)
INSERT INTO plumbline.predictions
    (job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
     window_rule, features, queue_ms, score_ms, scored_at)
VALUES (:id, :role, :model, :probability, '', 0.9, 'review', '[]', 9, 1, 'mean', '{}', 1, 1, :at)
""")
LABEL = text("""
INSERT INTO plumbline.labels (job_id, source, label, sampling)
VALUES (:id, 'ann', :label, :sampling)
""")


def job(number: int, count: int) -> uuid.UUID:
    """Return ids that are evenly distributed."""
    return uuid.UUID(int=(2 * number + 1) * (2**127 // count))


def write(engine: Engine, source: str, jobs: Iterable[uuid.UUID], model: str = LIVE) -> None:
    rows = [
        {
            "id": each,
            "source": source,
            "role": "shadow" if model == SHADOW else "live",
            "model": model,
            "probability": (each.int % 97) / 97,
            "at": MIDNIGHT + timedelta(seconds=number),
        }
        for number, each in enumerate(jobs)
    ]
    with engine.begin() as connection:
        connection.execute(INSERT, rows)


def add_label(engine: Engine, job_id: uuid.UUID, label: int, sampling: str | None = None) -> None:
    with engine.begin() as connection:
        connection.execute(LABEL, {"id": job_id, "label": label, "sampling": sampling})


@pytest.fixture
def traffic(engine: Engine) -> Engine:
    """80 texts of a large source, 8 of each of two small ones, a canary and a shadow; 3 labels."""
    large = [job(number, 80) for number in range(80)]
    write(engine, "large", [each for number, each in enumerate(large) if number % 4 < 3])
    write(engine, "large", large[3::4], CANARY)
    write(engine, "large", large[::2], SHADOW)
    for source in ("small", "tiny"):
        write(engine, source, [uuid.uuid4() for _ in range(8)])
    add_label(engine, large[4], 1, "random")
    add_label(engine, large[57], 0)
    add_label(engine, large[71], 1)
    return engine


def sampled(connection: Connection, texts: int, exact_rows: int = 0) -> list[WindowCounts]:
    return quality_samples.count(
        connection, MIDNIGHT, MIDNIGHT + DAY, 2, exact_rows=exact_rows, texts=texts
    )


def comparable(counts: Iterable[WindowCounts]) -> list[WindowCounts]:
    """Return the counts rounded, in a fixed order, and without what a count alone does not have."""
    sums = ("wrong_positives", "wrong_positives_squared", "wrong_negatives")
    rounded = [
        replace(
            each,
            **{name: round(getattr(each, name), 9) for name in (*sums, "wrong_negatives_squared")},
            random_positives=[round(value, 9) for value in each.random_positives],
            random_negatives=[round(value, 9) for value in each.random_negatives],
            sampled_rows=None,
            variances=(),
        )
        for each in counts
    ]
    return sorted(rounded, key=lambda each: (each.model, each.source or ""))


def test_sample_of_all_texts_is_the_count(traffic: Engine) -> None:
    with traffic.connect() as connection:
        everything = sampled(connection, 1_000)
        exact = quality_counts.count(connection, MIDNIGHT, MIDNIGHT + DAY, 2)
    assert comparable(everything) == comparable(exact)
    assert OTHER_SOURCES in {each.source for each in exact}
    assert {each.sampled_rows == each.rows for each in everything} == {True}
    assert {tuple(each.variances) for each in everything} == {(0.0, 0.0, 0.0)}


def test_small_sources_are_read_whole_and_labels_are_counted_exactly(traffic: Engine) -> None:
    with traffic.connect() as connection:
        counts = {(each.model, each.source): each for each in sampled(connection, 56)}
        exact = {
            (each.model, each.source): each
            for each in quality_counts.count(connection, MIDNIGHT, MIDNIGHT + DAY, 2)
        }
    assert counts.keys() == exact.keys()
    for key, each in counts.items():
        assert each.rows == exact[key].rows
        assert [each.tp, each.fp, each.fn, each.tn] == [
            getattr(exact[key], name) for name in ("tp", "fp", "fn", "tn")
        ]
        assert sum(each.random_negatives[:1]) == sum(exact[key].random_negatives[:1])
    assert comparable([counts[LIVE, "small"]]) == comparable([exact[LIVE, "small"]])
    assert (counts[LIVE, "large"].sampled_rows, counts[CANARY, "large"].sampled_rows) == (30, 10)


def test_small_versions_are_counted(traffic: Engine) -> None:
    with traffic.connect() as connection:
        counts = {(each.model, each.source): each for each in sampled(connection, 56, 40)}
    assert counts[CANARY, None].sampled_rows is counts[SHADOW, "large"].sampled_rows is None
    assert counts[LIVE, None].sampled_rows == 46


def test_ids_that_are_not_random_are_counted(engine: Engine) -> None:
    write(engine, "large", [uuid.UUID(int=number) for number in range(80)])
    with engine.connect() as connection:
        (everything, large) = sampled(connection, 20)
    assert everything.sampled_rows is large.sampled_rows is None
    assert everything.rows == 80
