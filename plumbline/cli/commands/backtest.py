"""`plumbline models backtest`: what a version would have answered to stored texts."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from time import monotonic
from typing import TYPE_CHECKING, Annotated, Any

import typer
from sqlalchemy import Engine

from plumbline.backtest.run import Backtest
from plumbline.cli.database import database
from plumbline.cli.extras import extra_needed
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.backtest_report import left_out_sentences, print_backtest
from plumbline.cli.output.console import err, format_time
from plumbline.cli.output.json_output import print_json
from plumbline.cli.output.progress import progress_bar
from plumbline.cli.times import parse_time
from plumbline.errors import TextsMissing
from plumbline.program import INTERRUPTED
from plumbline.registered_trust import registered_trust
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline.shipped import resolve_model
from scoring.artifact.registry import model_name
from scoring.artifact.seen_texts import SeenTexts
from storage.database import absolute_time
from storage.reports.backtest import (
    BacktestSelection,
    LeftOutTexts,
    ScoredText,
    left_out_texts,
    scored_texts,
    with_texts,
)

if TYPE_CHECKING:
    from scoring.scorer import Scorer


def backtest(
    model: Annotated[str, typer.Argument(help="NAME/VERSION, or NAME for its newest version.")],
    since: Annotated[
        str, typer.Option(help="Texts scored since: 12h or 30d ago, or a date.")
    ] = "30d",
    source: Annotated[
        list[str] | None, typer.Option(help="Only texts of this source; repeat it for several.")
    ] = None,
    limit: Annotated[
        int,
        typer.Option(min=1, help="A random sample of at most this size; always the same one."),
    ] = 10_000,
    show_texts: Annotated[
        int, typer.Option(min=0, help="Print this many of the texts whose decision changes.")
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Score stored texts with a version on this machine, beside their live decisions and labels.

    Nothing is stored. Ctrl-C ends it with the figures of the texts that were scored, which are a
    random sample.
    """
    start, settings = parse_time(since, "--since"), Settings.read()
    folder = resolve_model(settings.models_dir, model)
    with database(connected(settings)) as engine:
        scorer = load_scorer(engine, settings, model_name(folder))
        with engine.connect() as connection:
            selection = BacktestSelection(
                absolute_time(connection, start), scorer.artifact.config.labels, source or ()
            )
            left_out = left_out_texts(connection, selection)
            scored = scored_texts(connection, selection, limit)
        if not scored:
            raise no_texts(selection, left_out)
        result = Backtest(keep=show_texts, seen=SeenTexts.read(folder))
        # The figures of an interrupted run are printed as well.
        with suppress(KeyboardInterrupt):
            run_with_bar(result, engine, scored, scorer)
    complete = result.done == len(scored)
    if as_json:
        print_json(document(scorer.name, selection, result, left_out, complete))
    else:
        print_backtest(scorer.name, selection, result, left_out, limit)
    if not complete:
        err.print(
            f"Interrupted after {result.done:,} of {len(scored):,} texts, which are a random "
            "sample of them."
        )
        raise typer.Exit(INTERRUPTED)


def load_scorer(engine: Engine, settings: Settings, model: str) -> Scorer:
    """Load and verify the version as a worker would; one that never served is not registered."""
    with engine.connect() as connection:
        trust = registered_trust(connection, settings, model)
    with extra_needed("Scoring on this machine", "worker"):
        from scoring.scorer import Scorer

        folder = resolve_model(settings.models_dir, model)
        return Scorer.load(folder, trust, settings.max_text_chars)


def run_with_bar(
    result: Backtest, engine: Engine, scored: Sequence[ScoredText], scorer: Scorer
) -> None:
    started = monotonic()
    if not err.is_terminal:
        err.print(f"Scoring {len(scored):,} texts with {scorer.name}.")
    with progress_bar() as bar:
        task = bar.add_task("texts scored", total=len(scored), rate="")

        def advance() -> None:
            rate = result.done / max(monotonic() - started, 1e-9)
            left_s = (len(scored) - result.done) / max(rate, 1e-9)
            progress = f"{result.done:,} of {len(scored):,}, {left_s:,.0f} s left"
            bar.update(task, completed=result.done, rate=progress)

        result.run(with_texts(engine, scored), scorer.score, advance)


def no_texts(selection: BacktestSelection, left_out: Sequence[LeftOutTexts]) -> TextsMissing:
    reasons = " ".join(left_out_sentences(left_out))
    sources = f" of {', '.join(selection.sources)}" if selection.sources else ""
    return TextsMissing(
        f"No stored text{sources} was scored since {format_time(selection.since)} by a version "
        f"with the classes {' and '.join(selection.classes)}; choose an earlier --since. {reasons}"
    )


def document(
    model: str,
    selection: BacktestSelection,
    result: Backtest,
    left_out: Sequence[LeftOutTexts],
    complete: bool,
) -> dict[str, Any]:
    since: datetime = selection.since
    return {
        "model": model,
        "since": since,
        "complete": complete,
        "live_models": result.live_models,
        "rows": [asdict(row) | {"verdict": row.verdict} for row in result.rows()],
        "left_out": [asdict(texts) for texts in left_out],
        "seen_labels": None if result.seen is None else result.seen_labels,
        "deleted_meanwhile": result.deleted,
        "refused": result.refused,
        "changed_texts": [asdict(changed) for changed in result.changed],
    }
