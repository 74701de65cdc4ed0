"""What the demo prints: the progress of each batch, its results and its drift report."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
from rich.syntax import Syntax
from rich.table import Table
from rich.text import Text

from plumbline.cli.commands.up import command_name, relative_path
from plumbline.cli.output.console import colored_text, format_number, out, printable_text
from plumbline.cli.output.drift_report import ReportWithValues
from plumbline.cli.output.plot import histograms
from plumbline.cli.output.progress import TerminalReporter
from plumbline.demo import texts
from plumbline.demo.loop import Batch, request_drift_report, score_batch
from plumbline.embedded.processes import reports_available
from plumbline.embedded.stack import Stack
from plumbline.settings import Settings
from plumbline_client.results import Result
from plumbline_client.states import TERMINAL, JobState

PLOT_WIDTH = 76
# The width of the columns next to the text.
OTHER_COLUMNS = 51
SHORTEST_TEXT = 20
INDENT = (0, 2)
SNIPPET = """\
from plumbline_client import Client

with Client.from_environment() as client:
    receipts = client.submit_many(texts, source="{source}")
    results = client.wait([receipt.job_id for receipt in receipts])
"""


def show_both_batches(running: Stack, reporter: TerminalReporter) -> Path | None:
    """Show a batch of usual texts, then one of unusual texts; return the last report's page."""
    before = show_usual_batch(running, reporter)
    after = show_unusual_batch(running, reporter)
    if before is None or after is None:
        return None
    out.print()
    out.print(drift_table(before, after))
    # All columns together have no histogram.
    drifted = [value for value in after.values if value.drifted and value.histogram]
    if drifted:
        out.print()
        out.print(histograms(drifted[0], min(out.width, PLOT_WIDTH)))
    return Path(after.report.html_path) if after.report.html_path else None


def show_usual_batch(running: Stack, reporter: TerminalReporter) -> ReportWithValues | None:
    _print_headline("Everyday texts")
    code = Syntax(
        SNIPPET.format(source=running.settings.source), "python", background_color="default"
    )
    out.print(Padding(code, INDENT))
    batch = _score(running, texts.first_batch(running.settings.max_text_chars))
    out.print()
    out.print(results_table(batch, out.width))
    out.print()
    out.print(not_scored_table(batch))
    out.print()
    for text in false_negatives(batch):
        out.print(Padding(Text("False negative: ") + printable_text(text, 200), INDENT))
    for text in false_positives(batch):
        out.print(Padding(Text("False positive: ") + printable_text(text, 200), INDENT))
    return _show_drift(running, reporter, batch)


def show_unusual_batch(running: Stack, reporter: TerminalReporter) -> ReportWithValues | None:
    _print_headline("Then a warehouse submits its notices to the same model")
    batch = _score(running, texts.second_batch())
    out.print(Padding(summary(batch), INDENT))
    return _show_drift(running, reporter, batch)


def _print_headline(headline: str) -> None:
    out.print()
    out.rule(Text(headline, style="bold"), align="left", style="dim")


def _score(running: Stack, batch: Sequence[str]) -> Batch:
    columns = (
        TextColumn("  Redis → worker → int8 model → PostgreSQL"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=out) as progress:
        task = progress.add_task("", total=len(batch))

        def show_states(results: Sequence[Result]) -> None:
            ended = sum(result.state in TERMINAL for result in results)
            progress.update(task, completed=ended, description=format_states(results))

        return score_batch(running, batch, show_states)


def _show_drift(
    running: Stack, reporter: TerminalReporter, batch: Batch
) -> ReportWithValues | None:
    """Print the verdict on the batch; return None if this installation makes no drift reports."""
    if not reports_available():
        return None
    reporter.step("Evidently compares these predictions with the model's reference")
    drift = request_drift_report(running, batch)
    reporter.done()
    verdict = colored_text(drift.report.verdict)
    line = Text.assemble("Drift report: ", verdict, ". ", _to_sentence(drift.report.summary))
    out.print(Padding(line, INDENT))
    return drift


def _to_sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def format_states(results: Sequence[Result]) -> str:
    counts = Counter(result.state for result in results)
    return ", ".join(f"{count} {state}" for state, count in counts.most_common())


def results_table(batch: Batch, width: int) -> Table:
    """Return a row per scored text, with its times in the queue and in the model."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("text", no_wrap=True)
    table.add_column("label", no_wrap=True, width=5)
    table.add_column("decision", no_wrap=True, width=8)
    for name in ("confi-\ndence", "tokens", "queue\nms", "score\nms"):
        table.add_column(Text(name), justify="right", no_wrap=True, width=6)
    longest = max(width - OTHER_COLUMNS, SHORTEST_TEXT)
    for text, result in _with_state(batch, JobState.SCORED):
        table.add_row(
            printable_text(text, longest),
            result.label,
            colored_text(result.decision),
            format_number(result.confidence, 2),
            f"{result.tokens:,}",
            format_number(result.queue_ms, 0),
            format_number(result.score_ms, 1),
        )
    return table


def not_scored_table(batch: Batch) -> Table:
    """Return a row per text that was not scored, with the reason in its ledger row."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("not scored", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("reason")
    for state in TERMINAL - {JobState.SCORED}:
        for text, result in _with_state(batch, state):
            table.add_row(
                printable_text(text, 24) if text else Text("(empty)", style="dim"),
                colored_text(result.state),
                printable_text(result.error, 200),
            )
    return table


def false_negatives(batch: Batch) -> list[str]:
    """Return the spam with the decision `negative`, so neither `positive` nor `review`."""
    scored = _with_state(batch, JobState.SCORED)
    return [text for text, result in scored if text in texts.SPAM and result.decision == "negative"]


def false_positives(batch: Batch) -> list[str]:
    """Return the texts with the decision `positive` that are not spam."""
    scored = _with_state(batch, JobState.SCORED)
    return [
        text for text, result in scored if text not in texts.SPAM and result.decision == "positive"
    ]


def summary(batch: Batch) -> Text:
    """Return one line with the decisions and the first text of the batch."""
    decisions = Counter(result.decision for result in batch.results if result.decision)
    counts = ", ".join(f"{count} {decision}" for decision, count in decisions.most_common())
    return Text(f"{counts}. The first text: ") + printable_text(batch.texts[0], 100)


def drift_table(before: ReportWithValues, after: ReportWithValues) -> Table:
    """Return each feature's drift score in both reports, and its threshold."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("feature")
    table.add_column(Text("drift score,\neveryday"), justify="right")
    table.add_column(Text("drift score,\nwarehouse"), justify="right")
    table.add_column("threshold", justify="right", vertical="bottom")
    table.add_column("drifted")
    earlier_values = {value.feature: value for value in before.values}
    for value in after.values:
        earlier = earlier_values.get(value.feature)
        table.add_row(
            value.feature,
            f"{earlier.value:.2g}" if earlier else "",
            f"{value.value:.2g}",
            f"{value.threshold:.2g}",
            Text("yes", style="red") if value.drifted else Text("no", style="green"),
        )
    return table


def _with_state(batch: Batch, state: JobState) -> list[tuple[str, Result]]:
    pairs = zip(batch.texts, batch.results, strict=True)
    return [(text, result) for text, result in pairs if result.state is state]


def print_next_steps(settings: Settings, html_path: Path | None) -> None:
    _print_headline("Next steps")
    state_dir = shlex.quote(relative_path(settings.state_dir))
    with_state = f"PLUMBLINE_STATE_DIR={state_dir} {command_name()}"
    commands = [
        ("Start the servers again with the demo's texts and results", f"{with_state} up"),
        (
            "Then, in another terminal, show the results",
            f"{with_state} results --source {settings.source}",
        ),
        ("Start a system of your own", f"{command_name()} up"),
        ("Submit your own texts", f"{command_name()} submit FILE --text-column text --wait"),
        ("Read how it works", "README.md, docs/architecture.md"),
    ]
    if html_path is not None:
        page = relative_path(html_path)
        commands.insert(0, ("Open Evidently's page of the second report", page))
    for purpose, command in commands:
        out.print(Text(f"  {purpose}:", style="dim"))
        # A wrapped line cannot be copied.
        out.print(Text(f"    {command}"), soft_wrap=True)
