"""The tables and sentences of a backtest."""

from __future__ import annotations

import io

from rich.console import Console
from rich.table import Table

from plumbline.backtest.comparison import Answer, Tally, rows
from plumbline.cli.output.backtest_report import (
    decisions_table,
    label_sentences,
    labels_table,
    left_out_sentences,
)
from storage.reports.backtest import LeftOutTexts

POSITIVE, NEGATIVE = Answer("positive", 1), Answer("negative", 0)


def tallies() -> dict[str, Tally]:
    """A source with 20 labels, of which 15 are right only now, and a larger one without labels."""
    shop, mail = Tally(), Tally()
    for n in range(20):
        shop.add(NEGATIVE, POSITIVE if n < 15 else NEGATIVE, 1, n < 5)
    for _ in range(1_000):
        mail.add(POSITIVE, POSITIVE, None, False)
    return {"shop": shop, "mail": mail}


def printed(table: Table) -> list[list[str]]:
    out = io.StringIO()
    Console(file=out, width=80).print(table)
    assert "…" not in out.getvalue()
    return [line.split() for line in out.getvalue().splitlines() if line.strip(" ─")]


def test_decisions_have_a_row_per_source_and_one_for_all() -> None:
    assert printed(decisions_table(rows(tallies()), ("ham", "spam"))) == [
        ["source", "texts", "changed", "to", "ham", "to", "spam", "to", "review"],
        ["mail", "1,000", "0", "0.0%", "0", "0", "0"],
        ["shop", "20", "15", "75.0%", "0", "15", "0"],
        ["all", "1,020", "15", "1.5%", "0", "15", "0"],
    ]


def test_metrics_of_labelled_texts_fit_into_80_columns() -> None:
    header, mail, shop, whole = printed(labels_table(rows(tallies())))
    assert header[:4] == ["source", "labels", "live", "new"]
    assert mail == ["mail", "0"]
    assert shop[:4] == ["shop", "20", "0.000", "0.750"]
    assert shop[4:8] == ["+75.0", "(+46.8", "to", "+89.6)"]
    assert whole[1:] == shop[1:]


def test_sentences_say_which_texts_the_labels_are_of() -> None:
    sentences = list(label_sentences("toy/1.1.0", rows(tallies())))
    assert sentences == [
        "On 20 labelled texts toy/1.1.0 is better than the live answers: 15 newly right, 0 newly "
        "wrong.",
        "Only texts of shop have labels.",
        "15 labels are not known to be of texts drawn at random, so these accuracies are of the "
        "labelled texts, not of all.",
    ]
    (unknown,) = label_sentences("toy/1.1.0", rows({"mail": tallies()["mail"]}))
    assert "unknown whether toy/1.1.0 is better" in unknown


def test_source_on_which_the_candidate_is_worse_is_named() -> None:
    counted = tallies()
    for _ in range(10):
        counted["mail"].add(POSITIVE, NEGATIVE, 1, True)
    assert "It is worse on the source mail." in label_sentences("toy/1.1.0", rows(counted))


def test_left_out_texts_are_counted_by_reason() -> None:
    assert list(
        left_out_sentences(
            [
                LeftOutTexts("a", "toy/1.0.0", None, 1_000),
                LeftOutTexts("b", "toy/1.0.0", None, 1),
                LeftOutTexts("a", "tweets/1.0.0", ("calm", "angry"), 5),
                LeftOutTexts("b", "tweets/1.0.0", ("calm", "angry"), 2),
                LeftOutTexts("b", "old/1.0.0", (), 3),
            ]
        )
    ) == [
        "1,001 texts are left out, because they are deleted.",
        "7 texts are left out, because tweets/1.0.0 scored them, whose classes are calm and angry.",
        "3 texts are left out, because old/1.0.0 scored them, whose classes are not recorded.",
    ]
