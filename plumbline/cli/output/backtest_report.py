"""A backtest for people: two tables and the sentences that say how far they can be relied on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table

from plumbline.backtest.comparison import BacktestRow, Estimate
from plumbline.backtest.run import Backtest
from plumbline.cli.output.console import (
    column_table,
    format_number,
    format_time,
    out,
    printable_text,
)
from scoring.score import Decision
from storage.reports.backtest import BacktestSelection, LeftOutTexts

ALL = "all"


def print_backtest(
    model: str,
    selection: BacktestSelection,
    result: Backtest,
    left_out: Sequence[LeftOutTexts],
    limit: int,
) -> None:
    rows = result.rows()
    out.print(f"{model} on texts scored since {format_time(selection.since)}", markup=False)
    out.print(decisions_table(rows, selection.classes))
    if rows[-1].labelled:
        out.print(labels_table(rows))
    for sentence in (
        *answer_sentences(result, limit),
        *label_sentences(model, rows),
        *seen_sentences(model, result),
        *left_out_sentences(left_out),
        *unscored_sentences(model, result),
    ):
        out.print(sentence, markup=False, soft_wrap=True)
    if result.changed:
        out.print(changed_table(result))


def decisions_table(rows: Sequence[BacktestRow], classes: tuple[str, str]) -> Table:
    """How many decisions change, and what they change to."""
    table = column_table(
        "source", "texts", "changed", "", *(f"to {c}" for c in classes), "to review"
    )
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        to = (row.to[Decision.NEGATIVE], row.to[Decision.POSITIVE], row.to[Decision.REVIEW])
        table.add_row(
            printable_text(row.source or ALL),
            f"{row.texts:,}",
            f"{row.changed:,}",
            f"{row.changed / row.texts:.1%}" if row.texts else "",
            *(f"{count:,}" for count in to),
        )
    return table


def labels_table(rows: Sequence[BacktestRow]) -> Table:
    """Accuracy and F1 of the live answers and the candidate's, on the same labelled texts."""
    table = column_table(*("source", "labels", "live", "new", "points (95%)", "live F1", "new F1"))
    table.columns[4].no_wrap = True
    for column in table.columns[1:]:
        column.justify = "right"
    for row in rows:
        table.add_row(
            printable_text(row.source or ALL),
            f"{row.labelled:,}",
            format_share(row.live),
            format_share(row.candidate),
            format_difference(row.difference),
            *(format_number(value) for value in row.f1),
        )
    return table


def changed_table(result: Backtest) -> Table:
    table = column_table("source", "live", "candidate", "label", "text")
    for changed in result.changed:
        label = "" if changed.label is None else str(changed.label)
        table.add_row(
            printable_text(changed.source),
            changed.live,
            f"{changed.candidate} {changed.probability:.2f}",
            label,
            printable_text(changed.text),
        )
    return table


def answer_sentences(result: Backtest, limit: int) -> Iterator[str]:
    if result.done == limit:
        yield f"The texts are a random sample of {limit:,}; --limit sets its size."
    versions = ", ".join(f"{model} ({texts:,})" for model, texts in result.live_models.items())
    yield f"The live decisions are those of {versions or 'no version'}."


def label_sentences(model: str, rows: Sequence[BacktestRow]) -> Iterator[str]:
    """Say what the labels show, and of which texts they are."""
    whole = rows[-1]
    if not whole.labelled:
        yield (
            f"No text has a label, so it is unknown whether {model} is better; label some with "
            "`plumbline label`."
        )
        return
    verdict = {
        "better": f"{model} is better than the live answers",
        "worse": f"{model} is worse than the live answers",
        "undecided": f"the difference of {model} may be chance",
    }[whole.verdict or "undecided"]
    yield (
        f"On {whole.labelled:,} labelled texts {verdict}: {whole.newly_right:,} newly right, "
        f"{whole.newly_wrong:,} newly wrong."
    )
    worse = [row.source or ALL for row in rows[:-1] if row.verdict == "worse"]
    if worse:
        yield f"It is worse on the source {', '.join(worse)}."
    labelled = [row.source or ALL for row in rows[:-1] if row.labelled]
    if len(labelled) < len(rows) - 1:
        yield f"Only texts of {', '.join(labelled)} have labels."
    chosen = whole.labelled - whole.random_labels
    if chosen:
        yield (
            f"{chosen:,} labels are not known to be of texts drawn at random, so these accuracies "
            "are of the labelled texts, not of all."
        )


def seen_sentences(model: str, result: Backtest) -> Iterator[str]:
    if result.seen_labels:
        yield (
            f"{result.seen_labels:,} labels do not count, because {model} was trained or "
            "calibrated on their texts."
        )
    if result.seen is None and result.rows()[-1].labelled:
        yield (
            f"{model} does not record which texts it was trained on, so labels of such texts count."
        )


def left_out_sentences(left_out: Sequence[LeftOutTexts]) -> Iterator[str]:
    about = "About " if any(texts.estimated for texts in left_out) else ""
    deleted = sum(texts.texts for texts in left_out if texts.classes is None)
    if deleted:
        yield f"{about}{deleted:,} texts are left out, because they are deleted."
    others: dict[tuple[str, tuple[str, ...]], int] = {}
    for texts in left_out:
        if texts.classes is not None:
            key = texts.model, texts.classes
            others[key] = others.get(key, 0) + texts.texts
    for (model, classes), count in others.items():
        names = " and ".join(classes) or "not recorded"
        yield (
            f"{about}{count:,} texts are left out, because {model} scored them, whose "
            f"classes are {names}."
        )


def unscored_sentences(model: str, result: Backtest) -> Iterator[str]:
    if result.deleted:
        yield f"{result.deleted:,} texts were deleted while the backtest ran."
    if result.refused:
        yield f"{result.refused:,} texts cannot be scored by {model}."


def format_share(estimate: Estimate | None) -> str:
    return "" if estimate is None else f"{estimate.value:.3f}"


def format_difference(estimate: Estimate | None) -> str:
    """Return the difference in percentage points."""
    if estimate is None:
        return ""
    value, low, high = (100.0 * share for share in (estimate.value, estimate.low, estimate.high))
    return f"{value:+.1f} ({low:+.1f} to {high:+.1f})"
