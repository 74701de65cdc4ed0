"""Labelled texts to train on, on a real PostgreSQL."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Engine, text

from plumbline.labels import parse_label
from plumbline_client.new_job import new_job
from storage.jobs.labelled_texts import (
    LabelledText,
    LabelledTexts,
    LabelSelection,
    LeftOut,
    LeftOutReason,
)
from storage.jobs.labels import LabelEntry, add
from storage.jobs.retention import purge_texts
from storage.serving import deployments
from storage.serving.deployments import VersionRecord
from tests.ledger import Ledger
from tests.predictions import new_prediction

HAM_SPAM = ("ham", "spam")


def accept(ledger: Ledger, *texts: str, source: str = "mail") -> list[uuid.UUID]:
    jobs = [new_job(text, source=source, max_chars=100) for text in texts]
    ledger.accept(*jobs)
    return [job.id for job in jobs]


def score(
    ledger: Ledger, engine: Engine, *ids: uuid.UUID, model: str, classes: Sequence[str]
) -> None:
    """Register the version and score the jobs with it."""
    with engine.begin() as connection:
        version = VersionRecord(model, model, {}, classes)
        deployments.promote(connection, version, deployed_by="ann", reason="test")
    for lease in ledger.claim(*ids):
        assert ledger.finish(new_prediction(lease, model=model))


def label(engine: Engine, *pairs: tuple[uuid.UUID, str], by: str = "ann") -> None:
    with engine.begin() as connection:
        add(connection, [LabelEntry(job_id, label, by) for job_id, label in pairs], parse_label)


def backdate(engine: Engine, by: str, age: timedelta) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE plumbline.labels SET labelled_at = now() - :age WHERE source = :by"),
            {"age": age, "by": by},
        )


def selected(engine: Engine, **conditions: Any) -> dict[str, int]:
    with engine.connect() as connection:
        rows = LabelledTexts(connection, LabelSelection(**conditions))
        return {row.text: row.label for row in rows}


def left_out(engine: Engine, **conditions: Any) -> list[LeftOut]:
    with engine.connect() as connection:
        labelled = LabelledTexts(connection, LabelSelection(**conditions))
        list(labelled)
    return labelled.left_out()


def test_labelled_texts_are_selected_by_time_and_by_job_source(
    ledger: Ledger, engine: Engine
) -> None:
    (old,) = accept(ledger, "old")
    (mail,), (chat,) = accept(ledger, "mail"), accept(ledger, "chat", source="chat")
    label(engine, (old, "1"), by="old")
    backdate(engine, "old", timedelta(days=2))
    label(engine, (mail, "1"), (chat, "0"))
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert selected(engine) == {"old": 1, "mail": 1, "chat": 0}
    assert selected(engine, since=yesterday) == {"mail": 1, "chat": 0}
    assert selected(engine, since=yesterday, job_source="chat") == {"chat": 0}
    assert selected(engine, job_source="mail") == {"old": 1, "mail": 1}
    assert selected(engine, job_source="nobody") == {}
    assert left_out(engine, since=yesterday) == []


def test_only_labels_of_the_same_model_and_classes_are_selected(
    ledger: Ledger, engine: Engine
) -> None:
    first, second, reversed_, other, same_name, unscored = accept(
        ledger, "first", "second", "reversed", "other model", "other classes", "unscored"
    )
    score(ledger, engine, first, model="sms-spam/1.0.0", classes=HAM_SPAM)
    score(ledger, engine, second, model="sms-spam/1.0.1", classes=HAM_SPAM)
    score(ledger, engine, reversed_, model="sms-spam/2.0.0", classes=("spam", "ham"))
    score(ledger, engine, other, model="sms-spam-2/1.0.0", classes=HAM_SPAM)
    score(ledger, engine, same_name, model="sms-spam/3.0.0", classes=("news", "bait"))
    label(engine, *((i, "1") for i in (first, second, reversed_, other, same_name, unscored)))

    chosen = {"model_name": "sms-spam", "classes": HAM_SPAM}
    assert selected(engine, **chosen) == {"first": 1, "second": 1}
    assert left_out(engine, **chosen) == [
        LeftOut(LeftOutReason.OTHER_CLASSES, "sms-spam/2.0.0", ("spam", "ham"), 1),
        LeftOut(LeftOutReason.OTHER_CLASSES, "sms-spam/3.0.0", ("news", "bait"), 1),
        LeftOut(LeftOutReason.OTHER_MODEL, "sms-spam-2/1.0.0", HAM_SPAM, 1),
        LeftOut(LeftOutReason.UNSCORED, None, None, 1),
    ]
    assert len(selected(engine, model_name="sms-spam")) == 4
    assert selected(engine, classes=HAM_SPAM).keys() == {"first", "second", "other model"}
    assert selected(engine, model_name="tweets", classes=HAM_SPAM) == {}


def test_purged_and_refused_texts_are_left_out(ledger: Ledger, engine: Engine) -> None:
    (refused,) = accept(ledger, " ")
    one, two = accept(ledger, "one", "two")
    score(ledger, engine, one, model="sms-spam/1.0.0", classes=HAM_SPAM)
    label(engine, (refused, "1"), (one, "1"), (two, "1"))
    assert sum(purge_texts(engine, datetime.now(UTC) + timedelta(minutes=1))) == 1
    assert selected(engine) == {"two": 1}
    chosen = {"model_name": "sms-spam", "classes": HAM_SPAM}
    assert left_out(engine, **chosen) == [
        LeftOut(LeftOutReason.UNSCORED, None, None, 2),
        LeftOut(LeftOutReason.TEXT_DELETED, "sms-spam/1.0.0", HAM_SPAM, 1),
    ]


def test_many_texts_are_streamed_once_each(ledger: Ledger, engine: Engine) -> None:
    ids = accept(ledger, *(f"text {n}" for n in range(2_500)))
    label(engine, *((job_id, str(n % 2)) for n, job_id in enumerate(ids)))
    with engine.connect() as connection:
        rows = list(LabelledTexts(connection))
    expected = [LabelledText(f"text {n}", n % 2, id_, "mail") for n, id_ in enumerate(ids)]
    assert rows == sorted(expected, key=lambda row: row.job_id)
