from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console
from rich.table import Table
from sqlalchemy import Row

from plumbline.cli.commands.show import job_document, prediction_table
from tests.rows import row


def prediction(decision: str, *notes: str) -> Row[Any]:
    return row(
        role="live",
        model="m/1.0.0",
        probability=0.1,
        label="ham",
        confidence=0.9,
        decision=decision,
        ranked=[],
        tokens=1,
        windows=1,
        window_rule="mean",
        features={},
        notes=list(notes),
        queue_ms=1.0,
        score_ms=1.0,
        scored_at=datetime(2026, 1, 2, tzinfo=UTC),
    )


def printed(table: Table) -> str:
    console = Console(width=120, no_color=True)
    with console.capture() as captured:
        console.print(table)
    return captured.get()


def test_reason_for_a_review_is_printed() -> None:
    unread = printed(prediction_table(prediction("review", "mostly_unread")))
    assert "the model cannot read more than half of the text" in unread
    assert "mostly_unread" in unread
    assert "the confidence is below" in printed(prediction_table(prediction("review")))


@pytest.mark.parametrize("decision", ["positive", "negative"])
def test_sure_decision_has_neither_reason_nor_notes(decision: str) -> None:
    lines = printed(prediction_table(prediction(decision)))
    assert "reason" not in lines and "notes" not in lines


def test_document_has_the_reason_of_each_prediction() -> None:
    live, shadow = prediction("review", "long_word_unread"), prediction("negative")
    documents = job_document(row(id=7), [live, shadow])["predictions"]
    assert [entry["notes"] for entry in documents] == [["long_word_unread"], []]
    assert documents[0]["review_reason"] == "the model cannot read a long word of the text"
    assert documents[1]["review_reason"] is None
