"""`plumbline score`: one text here and now, with neither queue nor database."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from plumbline.cli.extras import extra_needed
from plumbline.cli.output.console import Json, colored, facts, number, out, print_json
from plumbline.files import STDIN
from plumbline.settings import Settings
from plumbline_client.errors import TextRefused

if TYPE_CHECKING:
    from scoring.score import Score


def score(
    text: Annotated[str, typer.Argument(help="The text, or - for all of standard input.")],
    model: Annotated[
        str | None, typer.Option(help="NAME or NAME/VERSION. Default: PLUMBLINE_MODEL.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Score one text here and now, without queue or database."""
    settings = Settings.read()
    if text == STDIN:
        text = sys.stdin.buffer.read().decode("utf-8", "surrogateescape")
    with extra_needed("Scoring on this machine", "worker"):
        from scoring.artifact.artifact import Artifact
        from scoring.artifact.registry import resolve
        from scoring.scorer import Scorer

        artifact = Artifact.load(resolve(settings.models_dir, model or settings.model))
        scorer = Scorer(artifact, max_chars=settings.max_text_chars)
    try:
        answer = scorer.score(text)
    except TextRefused as refusal:
        raise TextRefused(f"It cannot be scored: {refusal}.") from refusal
    if as_json:
        print_json(asdict(answer) | {"score_ms": answer.score_ms})
    else:
        tell(answer)


def tell(answer: Score) -> None:
    table = facts(answer.model)
    table.add_row("decision", colored(answer.decision))
    table.add_row("label", f"{answer.label}, confidence {number(answer.confidence, 4)}")
    table.add_row("probability", number(answer.probability, 4))
    table.add_row("tokens", f"{answer.tokens:,}")
    if answer.windows > 1:
        table.add_row("windows", f"{answer.windows}, combined by {answer.window_rule}")
    table.add_row("tokenized in", f"{answer.tokenize_ms:.1f} ms")
    table.add_row("scored in", f"{answer.infer_ms:.1f} ms")
    for note in answer.notes:
        table.add_row("note", note.replace("_", " "))
    out.print(table)
