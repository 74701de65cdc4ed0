"""What the demo shows: each batch on its way, its answers, and what the drift reports say."""

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

from plumbline.cli.commands.up import from_here, program
from plumbline.cli.output.console import colored, number, out, shown
from plumbline.cli.output.plot import histograms
from plumbline.cli.output.progress import Narration
from plumbline.demo import texts
from plumbline.demo.loop import Batch, Judged, judge_drift, score_batch
from plumbline.embedded.stack import Stack, makes_reports
from plumbline.settings import Settings
from plumbline_client.results import Result
from plumbline_client.states import TERMINAL, JobState

PLOT_WIDTH = 76
# What the columns beside the text take.
OTHER_COLUMNS = 51
SHORTEST_TEXT = 20
INDENT = (0, 2)
SNIPPET = """\
from plumbline import Client

with Client.from_settings() as client:
    receipts = client.submit_many(texts, source="{source}")
    results = client.wait([receipt.job_id for receipt in receipts])
"""


def both_batches(running: Stack, narration: Narration) -> Path | None:
    """Run the whole loop on a usual batch and on a strange one; return the last report's page."""
    settings = running.settings
    _headline("Everyday texts")
    code = Syntax(SNIPPET.format(source=settings.source), "python", background_color="default")
    out.print(Padding(code, INDENT))
    usual = _score(running, texts.first_batch(settings.max_text_chars))
    out.print()
    out.print(results_table(usual, out.width))
    out.print()
    out.print(refused_table(usual))
    out.print()
    for text in missed(usual):
        out.print(Padding(Text("Spam, and let pass: ") + shown(text, 200), INDENT))
    for text in mistaken(usual):
        out.print(Padding(Text("No spam, and called so: ") + shown(text, 200), INDENT))
    before = _judge(running, narration, usual)

    _headline("Then a warehouse sends its notices through the same door")
    unusual = _score(running, texts.second_batch())
    out.print(Padding(summary(unusual), INDENT))
    after = _judge(running, narration, unusual)
    if before is None or after is None:
        return None
    out.print()
    out.print(verdicts_table(before, after))
    width = min(out.width, PLOT_WIDTH)
    # Of all columns together there is no picture.
    drifted = [value for value in after.values if value.drifted and value.histogram]
    if drifted:
        out.print()
        out.print(histograms(drifted[0], width))
    return Path(after.report.html_path) if after.report.html_path else None


def _headline(words: str) -> None:
    out.print()
    out.rule(f"[bold]{words}", align="left", style="dim")


def _score(running: Stack, batch: Sequence[str]) -> Batch:
    columns = (
        TextColumn("  Redis → worker → int8 model → PostgreSQL"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns, console=out) as progress:
        task = progress.add_task("", total=len(batch))

        def tell(found: Sequence[Result]) -> None:
            ended = sum(result.state in TERMINAL for result in found)
            progress.update(task, completed=ended, description=states(found))

        return score_batch(running, batch, tell)


def _judge(running: Stack, narration: Narration, batch: Batch) -> Judged | None:
    if not makes_reports():
        return None
    narration.step("Evidently compares these predictions with the model's reference")
    judged = judge_drift(running, batch)
    narration.done()
    report = judged.report
    told = Text.assemble("Drift report: ", colored(report.verdict), ". ", _sentence(report.summary))
    out.print(Padding(told, INDENT))
    return judged


def _sentence(words: str) -> str:
    return f"{words[:1].upper()}{words[1:]}."


def states(found: Sequence[Result]) -> str:
    counts = Counter(result.state for result in found)
    return ", ".join(f"{count} {state}" for state, count in counts.most_common())


def results_table(batch: Batch, width: int) -> Table:
    """Every scored text of the batch, and how long it waited and took."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("text", no_wrap=True)
    table.add_column("label", no_wrap=True, width=5)
    table.add_column("decision", no_wrap=True, width=8)
    for name in ("confi-\ndence", "tokens", "queue\nms", "score\nms"):
        table.add_column(name, justify="right", no_wrap=True, width=6)
    longest = max(width - OTHER_COLUMNS, SHORTEST_TEXT)
    for text, result in _ended_as(batch, JobState.SCORED):
        table.add_row(
            shown(text, longest),
            result.label,
            colored(result.decision),
            number(result.confidence, 2),
            f"{result.tokens:,}",
            number(result.queue_ms, 0),
            number(result.score_ms, 1),
        )
    return table


def refused_table(batch: Batch) -> Table:
    """What was not scored, and the reason its row gives."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 2, 0, 0))
    table.add_column("not scored", no_wrap=True)
    table.add_column("state", no_wrap=True)
    table.add_column("because")
    for state in TERMINAL - {JobState.SCORED}:
        for text, result in _ended_as(batch, state):
            table.add_row(
                shown(text, 24) if text else Text("(nothing)", style="dim"),
                colored(result.state),
                Text(result.error or ""),
            )
    return table


def missed(batch: Batch) -> list[str]:
    """The spam that neither was called so nor left to a person: no model finds all."""
    scored = _ended_as(batch, JobState.SCORED)
    return [text for text, result in scored if text in texts.SPAM and result.decision == "negative"]


def mistaken(batch: Batch) -> list[str]:
    """What was called spam and is none."""
    scored = _ended_as(batch, JobState.SCORED)
    return [
        text for text, result in scored if text not in texts.SPAM and result.decision == "positive"
    ]


def summary(batch: Batch) -> Text:
    """A batch in one line, with one of its texts."""
    decisions = Counter(result.decision for result in batch.results if result.decision)
    told = ", ".join(f"{count} {decision}" for decision, count in decisions.most_common())
    return Text(f"{told}. The first of them: ") + shown(batch.texts[0], 100)


def verdicts_table(before: Judged, after: Judged) -> Table:
    """Each feature's distance from the reference in both reports, and where drift begins."""
    table = Table(box=None, pad_edge=False, header_style="dim", padding=(0, 3, 0, 0))
    table.add_column("feature")
    table.add_column("distance,\neveryday", justify="right")
    table.add_column("distance,\nwarehouse", justify="right")
    table.add_column("drift\nabove", justify="right")
    table.add_column("drifted")
    earlier = {value.feature: value for value in before.values}
    for value in after.values:
        known = earlier.get(value.feature)
        table.add_row(
            value.feature,
            f"{known.value:.2g}" if known else "",
            f"{value.value:.2g}",
            f"{value.threshold:.2g}",
            Text("yes", style="red") if value.drifted else Text("no", style="green"),
        )
    return table


def _ended_as(batch: Batch, state: JobState) -> list[tuple[str, Result]]:
    pairs = zip(batch.texts, batch.results, strict=True)
    return [(text, result) for text, result in pairs if result.state == state]


def where_next(settings: Settings, html_path: Path | None) -> None:
    _headline("Where to look next")
    here = f"PLUMBLINE_STATE_DIR={shlex.quote(from_here(settings.state_dir))} {program()}"
    commands = [
        ("The texts and results are kept, to look at again", f"{here} up"),
        ("and then, in another terminal", f"{here} results --source {settings.source}"),
        ("Everything, to stay", f"{program()} up"),
        ("Texts of your own", f"{program()} submit FILE --text-column text --wait"),
        ("How it works", "README.md, docs/architecture.md"),
    ]
    if html_path is not None:
        commands.insert(0, ("Evidently's page of the second report", from_here(html_path)))
    for what, command in commands:
        out.print(Text(f"  {what}:", style="dim"))
        # A line that is wrapped cannot be copied.
        out.print(Text(f"    {command}"), soft_wrap=True)
