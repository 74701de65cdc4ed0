"""`plumbline score`: one text, scored in this process."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from plumbline.cli.extras import extra_needed
from plumbline.cli.file_options import EncodingOption
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import colored_text, format_number, out, property_table
from plumbline.cli.output.json_output import print_json
from plumbline.cli.trust import known_trust
from plumbline.files import STDIN, ReadOptions, check_argument, read_text
from plumbline.settings import Settings
from plumbline.shipped import resolve_model
from plumbline_client.errors import TextRefused
from scoring.artifact.registry import model_name
from scoring.score import Score


def score(
    text: Annotated[str, typer.Argument(help="The text, or - for standard input.")],
    model: Annotated[
        str | None, typer.Option(help="NAME or NAME/VERSION. Default: PLUMBLINE_MODEL.")
    ] = None,
    encoding: EncodingOption = None,
    as_json: JsonOption = False,
) -> None:
    """Score one text on this machine, without queue or database."""
    settings = Settings.read()
    options = ReadOptions.parse(encoding, None)
    text = read_text(STDIN, options.encoding) if text == STDIN else check_argument(text)
    with extra_needed("Scoring on this machine", "worker"):
        from scoring.artifact.artifact import Artifact
        from scoring.runtime.cores import free_cores
        from scoring.runtime.options import RuntimeOptions
        from scoring.scorer import Scorer

        folder = resolve_model(settings.models_dir, model or settings.model)
        artifact = Artifact.load(folder, known_trust(settings, model_name(folder)))
        scorer = Scorer(
            artifact,
            max_chars=settings.max_text_chars,
            options=RuntimeOptions(free_cores=free_cores),
        )
    try:
        result = scorer.score(text)
    except TextRefused as refusal:
        raise TextRefused(f"The text cannot be scored: {refusal}.") from refusal
    if as_json:
        print_json(
            asdict(result) | {"score_ms": result.score_ms, "review_reason": result.review_reason}
        )
    else:
        print_score(result)


def print_score(score: Score) -> None:
    table = property_table(score.model)
    table.add_row("decision", colored_text(score.decision))
    if score.review_reason:
        table.add_row("reason", score.review_reason)
    table.add_row("label", f"{score.label}, confidence {format_number(score.confidence, 4)}")
    table.add_row("probability", format_number(score.probability, 4))
    table.add_row("tokens", f"{score.tokens:,}")
    if score.windows > 1:
        table.add_row("windows", f"{score.windows}, combined by {score.window_rule}")
    table.add_row("tokenized in", f"{score.tokenize_ms:.1f} ms")
    table.add_row("scored in", f"{score.infer_ms:.1f} ms")
    for note in score.notes:
        table.add_row("note", note.replace("_", " "))
    out.print(table)
