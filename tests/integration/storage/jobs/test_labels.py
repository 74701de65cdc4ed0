"""Labels that come after the scores, on a real PostgreSQL."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from plumbline_client.new_job import new_job
from storage.jobs import labels, ledger
from storage.jobs.labels import Entry, LabelledText, Outcome
from storage.jobs.retention import purge_texts
from storage.serving import deployments
from tests.answers import answer

MODEL = "sms-spam/1.0.0"
NOBODY = uuid.UUID(int=7)


def accept(engine: Engine, *texts: str, source: str = "mail") -> list[uuid.UUID]:
    jobs = [new_job(text, source=source, max_chars=100) for text in texts]
    with engine.begin() as connection:
        ledger.accept(connection, jobs)
    return [job.id for job in jobs]


def score(engine: Engine, job_id: uuid.UUID) -> None:
    with engine.begin() as connection:
        (lease,) = ledger.claim(connection, [], [job_id], 60.0)
        spam = answer(lease, model=MODEL, probability=0.9, label="spam", decision="positive")
        assert ledger.finish(connection, [spam])


def deploy(engine: Engine, *names: str) -> None:
    with engine.begin() as connection:
        deployments.promote(
            connection,
            MODEL,
            manifest_sha256="aa",
            metrics={},
            deployed_by="ann",
            reason="test",
            labels=names,
        )


def add(engine: Engine, *said: tuple[uuid.UUID, str], by: str = "ann") -> Outcome:
    with engine.begin() as connection:
        return labels.add(connection, [Entry(job_id, label, by) for job_id, label in said])


def backdate(engine: Engine, by: str, age: timedelta) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE plumbline.labels SET labelled_at = now() - :age WHERE source = :by"),
            {"age": age, "by": by},
        )


def known(
    engine: Engine, since: datetime | None = None, job_source: str | None = None
) -> dict[str, int]:
    with engine.connect() as connection:
        found = labels.labelled_texts(connection, since, job_source)
        return {row.text: row.label for row in found}


def test_a_label_is_accepted_known_and_changed(engine: Engine) -> None:
    one, two = accept(engine, "one", "two")
    assert add(engine, (one, "1"), (two, "0")) == Outcome(accepted=2)
    assert add(engine, (one, "1"), (two, "1")) == Outcome(known=1, changed=1)
    assert known(engine) == {"one": 1, "two": 1}


def test_nothing_to_say_changes_nothing(engine: Engine) -> None:
    assert add(engine) == Outcome()


def test_of_two_labels_of_one_batch_the_last_counts(engine: Engine) -> None:
    (one,) = accept(engine, "one")
    assert add(engine, (one, "1"), (one, "0")) == Outcome(accepted=1)
    assert known(engine) == {"one": 0}


def test_a_job_nobody_knows_costs_only_itself(engine: Engine) -> None:
    (one,) = accept(engine, "one")
    assert add(engine, (NOBODY, "1"), (one, "1"), (NOBODY, "x")) == Outcome(
        accepted=1, unknown=frozenset([NOBODY])
    )


def test_the_names_of_the_version_that_scored_it_are_labels(engine: Engine) -> None:
    deploy(engine, "ham", "spam")
    one, two, three, waiting = accept(engine, "one", "two", "three", "waiting")
    for job_id in (one, two, three):
        score(engine, job_id)
    said = [(one, "spam"), (two, "ham"), (three, "Spam"), (waiting, "spam")]
    assert add(engine, *said) == Outcome(accepted=2, unusable={three: ["ham", "spam"], waiting: []})
    assert known(engine) == {"one": 1, "two": 0}


@pytest.mark.parametrize("label", ["", "2", "-1", "00", "a\0", "\ud800", "x" * 10_000])
def test_a_label_that_says_nothing_costs_only_itself(engine: Engine, label: str) -> None:
    one, two = accept(engine, "one", "two")
    assert add(engine, (one, label), (two, "1")) == Outcome(accepted=1, unusable={one: []})


def test_of_several_sources_the_one_that_spoke_last_is_believed(engine: Engine) -> None:
    (one,) = accept(engine, "one")
    add(engine, (one, "1"), by="ann")
    backdate(engine, "ann", timedelta(days=2))
    assert add(engine, (one, "0"), by="bob") == Outcome(accepted=1)
    assert known(engine) == {"one": 0}
    backdate(engine, "bob", timedelta(days=1))
    assert add(engine, (one, "1"), by="ann") == Outcome(known=1), "saying it again is news"
    assert known(engine) == {"one": 1}


def test_texts_are_chosen_by_time_and_by_who_submitted(engine: Engine) -> None:
    (old,) = accept(engine, "old")
    mail, chat = *accept(engine, "mail"), *accept(engine, "chat", source="chat")
    add(engine, (old, "1"), by="old")
    backdate(engine, "old", timedelta(days=2))
    add(engine, (mail, "1"), (chat, "0"))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert known(engine) == {"old": 1, "mail": 1, "chat": 0}
    assert known(engine, yesterday) == {"mail": 1, "chat": 0}
    assert known(engine, yesterday, "chat") == {"chat": 0}
    assert known(engine, job_source="mail") == {"old": 1, "mail": 1}
    assert known(engine, job_source="nobody") == {}


def test_a_text_that_is_forgotten_or_was_refused_is_not_learned_from(engine: Engine) -> None:
    (refused,) = accept(engine, " ")
    assert add(engine, (refused, "1")) == Outcome(accepted=1)
    deploy(engine)
    one, two = accept(engine, "one", "two")
    score(engine, one)
    add(engine, (one, "1"), (two, "1"))
    assert sum(purge_texts(engine, datetime.now(UTC) + timedelta(minutes=1))) == 1
    assert known(engine) == {"two": 1}


def test_many_texts_are_streamed_each_once(engine: Engine) -> None:
    ids = accept(engine, *(f"text {n}" for n in range(2_500)))
    add(engine, *((job_id, str(n % 2)) for n, job_id in enumerate(ids)))
    with engine.connect() as connection:
        found = list(labels.labelled_texts(connection))
    wanted = [LabelledText(f"text {n}", n % 2, job_id) for n, job_id in enumerate(ids)]
    assert found == sorted(wanted, key=lambda row: row.job_id)
