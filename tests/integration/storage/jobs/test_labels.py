"""Labels that arrive after the scores, on a real PostgreSQL."""

from __future__ import annotations

import uuid
from datetime import timedelta

import pytest
from sqlalchemy import Engine, text

from plumbline.labels import parse_label
from plumbline_client.new_job import new_job
from storage.jobs import labels
from storage.jobs.labelled_texts import LabelledTexts
from storage.jobs.labels import LabelEntry, LabelOutcome
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from storage.states import Sampling
from tests.ledger import Ledger
from tests.predictions import new_prediction

MODEL = "sms-spam/1.0.0"
UNKNOWN = uuid.UUID(int=7)


def accept(ledger: Ledger, *texts: str, source: str = "mail") -> list[uuid.UUID]:
    jobs = [new_job(text, source=source, max_chars=100) for text in texts]
    ledger.accept(*jobs)
    return [job.id for job in jobs]


def score(ledger: Ledger, job_id: uuid.UUID) -> None:
    (lease,) = ledger.claim(job_id)
    spam = new_prediction(lease, model=MODEL, probability=0.9, label="spam", decision="positive")
    assert ledger.finish(spam)


def deploy(engine: Engine, *names: str) -> None:
    version = VersionRecord(MODEL, "aa", {}, names)
    with engine.begin() as connection:
        deployments.promote(connection, version, deployed_by="ann", reason="test")


def add(engine: Engine, *pairs: tuple[uuid.UUID, str], by: str = "ann") -> LabelOutcome:
    with engine.begin() as connection:
        entries = [LabelEntry(job_id, label, by) for job_id, label in pairs]
        return labels.add(connection, entries, parse_label)


def backdate(engine: Engine, by: str, age: timedelta) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE plumbline.labels SET labelled_at = now() - :age WHERE source = :by"),
            {"age": age, "by": by},
        )


def labels_by_text(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {row.text: row.label for row in LabelledTexts(connection)}


def test_label_is_accepted_repeated_and_changed(ledger: Ledger, engine: Engine) -> None:
    one, two = accept(ledger, "one", "two")
    assert add(engine, (one, "1"), (two, "0")) == LabelOutcome(accepted=2)
    assert add(engine, (one, "1"), (two, "1")) == LabelOutcome(known=1, changed=1)
    assert labels_by_text(engine) == {"one": 1, "two": 1}


def test_empty_batch_changes_nothing(engine: Engine) -> None:
    assert add(engine) == LabelOutcome()


def test_last_of_two_labels_in_one_batch_wins(ledger: Ledger, engine: Engine) -> None:
    (one,) = accept(ledger, "one")
    assert add(engine, (one, "1"), (one, "0")) == LabelOutcome(accepted=1)
    assert labels_by_text(engine) == {"one": 0}


def test_unknown_job_does_not_affect_the_other_labels(ledger: Ledger, engine: Engine) -> None:
    (one,) = accept(ledger, "one")
    assert add(engine, (UNKNOWN, "1"), (one, "1"), (UNKNOWN, "x")) == LabelOutcome(
        accepted=1, unknown=frozenset([UNKNOWN])
    )


def test_class_names_of_the_version_that_scored_a_job_are_labels(
    ledger: Ledger, engine: Engine
) -> None:
    deploy(engine, "ham", "spam")
    one, two, three, queued = accept(ledger, "one", "two", "three", "queued")
    for job_id in (one, two, three):
        score(ledger, job_id)
    pairs = [(one, "spam"), (two, " Ham"), (three, "eggs"), (queued, "spam")]
    unusable = {three: ["ham", "spam"], queued: []}
    assert add(engine, *pairs) == LabelOutcome(accepted=2, unusable=unusable)
    assert labels_by_text(engine) == {"one": 1, "two": 0}


def test_class_name_is_preferred_to_another_spelling_of_0_or_1(
    ledger: Ledger, engine: Engine
) -> None:
    deploy(engine, "true", "false")
    one, two, queued = accept(ledger, "one", "two", "queued")
    for job_id in (one, two):
        score(ledger, job_id)
    pairs = [(one, "true"), (two, "1.0"), (queued, "true")]
    assert add(engine, *pairs) == LabelOutcome(accepted=3)
    assert labels_by_text(engine) == {"one": 0, "two": 1, "queued": 1}


@pytest.mark.parametrize("label", ["", "2", "-1", "00", "a\0", "\ud800", "x" * 10_000])
def test_unusable_label_does_not_affect_the_other_labels(
    ledger: Ledger, engine: Engine, label: str
) -> None:
    one, two = accept(ledger, "one", "two")
    outcome = LabelOutcome(accepted=1, unusable={one: []})
    assert add(engine, (one, label), (two, "1")) == outcome


def test_newest_label_of_several_sources_wins(ledger: Ledger, engine: Engine) -> None:
    (one,) = accept(ledger, "one")
    add(engine, (one, "1"), by="ann")
    backdate(engine, "ann", timedelta(days=2))
    assert add(engine, (one, "0"), by="bob") == LabelOutcome(accepted=1)
    assert labels_by_text(engine) == {"one": 0}
    backdate(engine, "bob", timedelta(days=1))
    assert add(engine, (one, "1"), by="ann") == LabelOutcome(known=1)
    assert labels_by_text(engine) == {"one": 1}, "a repeated label is as new as a changed one"


def sampling_of(engine: Engine, job_id: uuid.UUID, by: str = "ann") -> str | None:
    query = text("SELECT sampling FROM plumbline.labels WHERE job_id = :id AND source = :by")
    with engine.connect() as connection:
        sampling: str | None = connection.execute(query, {"id": job_id, "by": by}).scalar_one()
    return sampling


@pytest.mark.parametrize(
    ("samplings", "expected"),
    [
        ([None], None),
        ([Sampling.RANDOM], "random"),
        ([None, Sampling.UNCERTAIN], "uncertain"),
        ([Sampling.UNCERTAIN, Sampling.UNFAMILIAR], "unfamiliar"),
        ([Sampling.UNCERTAIN, None], "uncertain"),
        ([Sampling.UNCERTAIN, Sampling.RANDOM], "random"),
        ([Sampling.RANDOM, Sampling.UNCERTAIN], "random"),
        ([Sampling.RANDOM, None], "random"),
    ],
)
def test_text_of_a_random_sample_stays_one(
    ledger: Ledger, engine: Engine, samplings: list[Sampling | None], expected: str | None
) -> None:
    (one,) = accept(ledger, "one")
    for number, sampling in enumerate(samplings):
        with engine.begin() as connection:
            entry = LabelEntry(one, str(number % 2), "ann", sampling)
            labels.add(connection, [entry], parse_label)
    assert sampling_of(engine, one) == expected
