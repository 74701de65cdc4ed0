"""Samples of texts to label, on a real PostgreSQL."""

from __future__ import annotations

import uuid
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from plumbline.labels import parse_label
from plumbline_client.new_job import new_job
from storage.jobs import samples
from storage.jobs.labels import LabelEntry, add
from storage.jobs.retention import purge_texts
from storage.jobs.samples import SampledText, SampleRequest, draw
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from storage.states import Role, Sampling
from storage.unfamiliarity import SHARES
from tests.ledger import Ledger
from tests.predictions import new_prediction

MODEL = "sms-spam/1.0.0"


def score(ledger: Ledger, *texts: str, source: str = "mail", **prediction: Any) -> list[uuid.UUID]:
    """Accept the texts and score them, each less confidently and as less familiar than the last."""
    jobs = [new_job(text, source=source, max_chars=100) for text in texts]
    ledger.accept(*jobs)
    order = {job.id: number for number, job in enumerate(jobs)}
    for lease in ledger.claim(*order):
        number = order[lease.id]
        features = {"token_surprise": float(number), **dict.fromkeys(SHARES, number / 1_000)}
        values: dict[str, Any] = {"model": MODEL, "confidence": 1 - number / 1_000} | prediction
        assert ledger.finish(new_prediction(lease, **({"features": features} | values)))
    return [job.id for job in jobs]


def label(engine: Engine, *ids: uuid.UUID, sampling: Sampling | None = None) -> None:
    entries = [LabelEntry(job_id, "1", "ann", sampling) for job_id in ids]
    with engine.begin() as connection:
        add(connection, entries, parse_label)


def sample(engine: Engine, size: int, by: Sampling, **conditions: Any) -> list[SampledText]:
    with engine.connect() as connection:
        return list(draw(connection, SampleRequest(size, by, **conditions)))


def texts(rows: list[SampledText]) -> list[str]:
    return [row.text for row in rows]


def test_same_seed_draws_the_same_sample(ledger: Ledger, engine: Engine) -> None:
    score(ledger, *(f"text {n}" for n in range(60)))
    drawn = sample(engine, 20, Sampling.RANDOM, seed=7)
    assert sample(engine, 20, Sampling.RANDOM, seed=7) == drawn
    assert sample(engine, 10, Sampling.RANDOM, seed=7) == drawn[:10]
    assert texts(sample(engine, 20, Sampling.RANDOM, seed=8)) != texts(drawn)
    assert len(set(texts(sample(engine, 100, Sampling.RANDOM)))) == 60


def test_every_text_is_as_likely_as_another_in_a_random_sample(
    ledger: Ledger, engine: Engine
) -> None:
    score(ledger, *(f"text {n}" for n in range(20)))
    counts = Counter(
        text for seed in range(100) for text in texts(sample(engine, 5, Sampling.RANDOM, seed=seed))
    )
    # Binomial(100, 0.25): 25 with a standard deviation of 4.3.
    assert len(counts) == 20
    assert all(8 <= count <= 42 for count in counts.values())


def test_most_uncertain_and_least_familiar_texts_come_first(ledger: Ledger, engine: Engine) -> None:
    score(ledger, "a", "b", "c", "d")
    score(ledger, "no features", features={}, confidence=0.6)
    assert texts(sample(engine, 3, Sampling.UNCERTAIN)) == ["no features", "d", "c"]
    (least, *others) = sample(engine, 9, Sampling.UNFAMILIAR)
    assert texts([least, *others]) == ["d", "c", "b", "a"]
    assert least.unfamiliarity == pytest.approx((3 / 10 + 3 * 3 / 1_000) / 4)
    (unknown,) = sample(engine, 1, Sampling.UNCERTAIN)
    assert unknown.unfamiliarity is None


def test_only_scored_texts_that_are_stored_are_drawn(ledger: Ledger, engine: Engine) -> None:
    score(ledger, "purged")
    assert sum(purge_texts(engine, datetime.now(UTC) + timedelta(minutes=1))) == 1
    ledger.accept(new_job("queued", source="mail", max_chars=100))
    score(ledger, "scored")
    (shadow,) = score(ledger, "shadow only")
    with engine.begin() as connection:
        query = text("UPDATE plumbline.predictions SET role = :role WHERE job_id = :id")
        connection.execute(query, {"role": Role.SHADOW, "id": shadow})
    for by in Sampling:
        assert texts(sample(engine, 9, by)) == ["scored"]


def test_texts_are_drawn_per_source(ledger: Ledger, engine: Engine) -> None:
    score(ledger, *(f"mail {n}" for n in range(9)))
    score(ledger, *(f"chat {n}" for n in range(3)), source="chat")
    score(ledger, *(f"web {n}" for n in range(9)), source="web")
    drawn = sample(engine, 4, Sampling.RANDOM, sources=["mail", "chat"])
    assert Counter(row.source for row in drawn) == {"mail": 4, "chat": 3}
    assert [row.source for row in drawn[:4]] == ["chat", "mail"] * 2, "a part has both sources too"
    drawn = sample(engine, 2, Sampling.UNCERTAIN, per_source=True)
    assert texts(drawn) == ["chat 2", "mail 8", "web 8", "chat 1", "mail 7", "web 7"]
    assert len(sample(engine, 5, Sampling.RANDOM)) == 5


def test_random_sample_is_drawn_among_texts_that_were_labelled_for_another_reason(
    ledger: Ledger, engine: Engine
) -> None:
    one, two, three, four = score(ledger, "one", "two", "three", "four")
    label(engine, one, sampling=Sampling.RANDOM)
    label(engine, two, sampling=Sampling.UNCERTAIN)
    label(engine, three)
    assert set(texts(sample(engine, 9, Sampling.RANDOM))) == {"two", "three", "four"}
    for by in (Sampling.UNCERTAIN, Sampling.UNFAMILIAR):
        assert texts(sample(engine, 9, by)) == ["four"]
    for by in Sampling:
        assert len(sample(engine, 9, by, include_labelled=True)) == 4
    label(engine, two, four, sampling=Sampling.RANDOM)
    assert texts(sample(engine, 9, Sampling.RANDOM)) == ["three"]


def test_repeated_text_is_labelled_once(ledger: Ledger, engine: Engine) -> None:
    score(ledger, "other")
    first, *_ = score(ledger, "again", "again", "again")
    for by in (Sampling.UNCERTAIN, Sampling.UNFAMILIAR):
        assert texts(sample(engine, 9, by)) == ["again", "other"]
    assert len(sample(engine, 9, Sampling.RANDOM)) == 4, "each submission counts in a metric"
    label(engine, first)
    assert texts(sample(engine, 9, Sampling.UNCERTAIN)) == ["other"]


def test_texts_of_the_live_task_are_drawn_unless_a_version_is_named(
    ledger: Ledger, engine: Engine
) -> None:
    score(ledger, "first")
    score(ledger, "second", model="sms-spam/1.0.1")
    score(ledger, "other task", model="tweets/1.0.0")
    assert len(sample(engine, 9, Sampling.RANDOM)) == 3, "before the first deployment"
    with engine.begin() as connection:
        version = VersionRecord("sms-spam/2.0.0", "aa", {}, ("ham", "spam"))
        deployments.promote(connection, version, deployed_by="ann", reason="test")
    assert set(texts(sample(engine, 9, Sampling.RANDOM))) == {"first", "second"}
    assert texts(sample(engine, 9, Sampling.RANDOM, model="tweets/1.0.0")) == ["other task"]


def test_texts_are_selected_by_time_and_decision(ledger: Ledger, engine: Engine) -> None:
    (old,) = score(ledger, "old", decision="review")
    score(ledger, "new")
    with engine.begin() as connection:
        query = text(
            "UPDATE plumbline.jobs SET created_at = now() - interval '2 days' WHERE id=:id"
        )
        connection.execute(query, {"id": old})
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert texts(sample(engine, 9, Sampling.RANDOM, since=yesterday)) == ["new"]
    assert texts(sample(engine, 9, Sampling.RANDOM, until=yesterday)) == ["old"]
    assert texts(sample(engine, 9, Sampling.UNCERTAIN, decision="review")) == ["old"]


def test_reader_may_draw_a_sample(ledger: Ledger, engine: Engine) -> None:
    score(ledger, "one")
    with engine.connect() as connection:
        connection.execute(text("SET LOCAL ROLE plumbline_reader"))
        for by in Sampling:
            assert len(list(draw(connection, SampleRequest(1, by)))) == 1


def test_sample_is_chosen_from_a_bounded_number_of_the_newest_texts(
    ledger: Ledger, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("POOL_ROWS", "RANDOM_POOL_ROWS"):
        monkeypatch.setattr(samples, name, 3)
    score(ledger, "old", confidence=0.5)
    score(ledger, "a", "b", "c")
    assert texts(sample(engine, 2, Sampling.UNCERTAIN)) == ["c", "b"]
    assert texts(sample(engine, 2, Sampling.UNCERTAIN, sources=["mail"])) == ["c", "b"]
    assert len(sample(engine, 2, Sampling.RANDOM)) == 2
    assert len(sample(engine, 9, Sampling.RANDOM)) == 4, "a larger sample has a larger pool"
