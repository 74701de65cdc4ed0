"""`python -m training.pretrain`: pretrain a backbone on unlabelled texts.

Writes a Hugging Face folder that `python -m training --from FOLDER` starts from.
"""

from __future__ import annotations

import hashlib
import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Annotated

import typer

from plumbline.files import ReadOptions
from plumbline.system_errors import cause_and_cure
from plumbline.usage_errors import VisibleCommand
from training.atomic_write import atomic_folder
from training.cli import (
    DelimiterOption,
    EncodingOption,
    SkipOption,
    SplitOption,
    print_json,
    run_app,
)
from training.data.data_report import DataReport
from training.data.examples import DataSource, normalise
from training.errors import DataInvalid, TrainingError
from training.presets import PRESETS, RunOptions, TrainingConfig, find_preset
from training.quiet_import import quiet_import

log = logging.getLogger(__name__)
HELD_OUT_SHARE = 0.05
MIN_TEXTS = 100
# Devlin et al. (2019) use 1e-4 for this size; a small network learns best at a higher rate.
LEARNING_RATES = {"tiny": 5e-3, "small": 1e-3, "spec": 1e-4}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class PretrainingResult:
    """Losses are mean cross-entropies of masked tokens, in nats."""

    folder: Path
    texts: int
    steps: int
    loss: float
    validation_loss: float
    seconds: float


@app.command(cls=VisibleCommand)
def pretrain(
    data: Annotated[
        list[Path],
        typer.Option(help="CSV, JSONL or Parquet files. Rows whose split is test are left out."),
    ],
    out: Annotated[Path, typer.Option(help="Folder to write; it must not exist.")],
    preset: Annotated[
        str, typer.Option(help=f"Shape of the network: {', '.join(PRESETS)}.")
    ] = "small",
    text_column: Annotated[str, typer.Option(help="Column with the text.")] = "text",
    split_column: SplitOption = "split",
    encoding: EncodingOption = None,
    delimiter: DelimiterOption = None,
    skip_invalid: SkipOption = False,
    steps: Annotated[int, typer.Option(min=1, help="Maximum number of training steps.")] = 20_000,
    epochs: Annotated[
        int, typer.Option(min=1, help="Maximum number of passes over the texts.")
    ] = 40,
    train_tokens: Annotated[
        int, typer.Option(min=8, max=512, help="Truncate texts to this length.")
    ] = 128,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 7,
    devices: Annotated[
        int, typer.Option(min=1, help="Number of this machine's GPUs to train on.")
    ] = 1,
    run_dir: Annotated[
        Path, typer.Option(help="Folder for the state that a killed run resumes from.")
    ] = Path("runs"),
    checkpoint_every: Annotated[
        float, typer.Option(min=0.0, help="Seconds between two saves of the run's state.")
    ] = 300.0,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object for programs.")
    ] = False,
) -> None:
    """Learn a vocabulary and train a backbone to predict masked tokens.

    A killed run resumes when the same command is given again.
    """
    shape = find_preset(preset)
    if out.exists():
        raise TrainingError(f"{out} exists already; give another --out.")
    options = ReadOptions.parse(encoding, delimiter)
    source = DataSource(text_column, "", split_column, options=options, skip_invalid=skip_invalid)
    report = DataReport()
    texts = [text for path in data for text in source.read_texts(path, report)]
    for sentence in report.sentences():
        log.warning(sentence)
    config = replace(
        shape,
        learning_rate=LEARNING_RATES[preset],
        floor_rate=LEARNING_RATES[preset] / 100,
        warmup_steps=min(steps // 10, 2_000),
        total_steps=steps,
        epochs=epochs,
        train_tokens=train_tokens,
        patience=epochs,
        seed=seed,
    )
    result = pretrain_backbone(texts, config, out, RunOptions(run_dir, devices, checkpoint_every))
    if as_json:
        print_json(result, {"rows": report.document()})
    else:
        sys.stdout.write(
            f"{result.texts:,} texts, {result.steps:,} steps, loss {result.loss:.3f}, "
            f"loss on held-out texts {result.validation_loss:.3f}, {result.seconds:.0f} s; "
            f"saved in {result.folder}\n"
        )


def pretrain_backbone(
    texts: Sequence[str], config: TrainingConfig, out: Path, options: RunOptions
) -> PretrainingResult:
    """Pretrain and write the folder `out`, completely or not at all."""
    train, held_out = split_held_out(texts)
    with quiet_import():
        from training.loop.train import train_masked_language_model
        from training.model.huggingface import save_backbone

    started = perf_counter()
    trained = train_masked_language_model(train, held_out, config, options, fingerprint(texts))
    try:
        with atomic_folder(out) as folder:
            save_backbone(folder, trained.model.backbone, trained.config.model, trained.tokenizer)
    except OSError as error:
        raise TrainingError(
            f"The backbone could not be saved in {out}: {cause_and_cure(error)}."
        ) from error
    trained.checkpoint.clear()
    history = trained.history
    return PretrainingResult(
        folder=out,
        texts=len(texts),
        steps=history.step,
        loss=history.loss[history.best_epoch],
        validation_loss=min(history.validation_loss),
        seconds=perf_counter() - started,
    )


def split_held_out(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the training texts and the held-out texts, chosen by hash, without duplicates."""
    unique = list({normalise(text): text for text in texts}.values())
    if len(unique) < MIN_TEXTS:
        raise DataInvalid(
            f"There are {len(unique)} different texts; pretraining needs at least {MIN_TEXTS}."
        )
    unique.sort(key=_hash)
    count = max(1, round(HELD_OUT_SHARE * len(unique)))
    return unique[count:], unique[:count]


def fingerprint(texts: Sequence[str]) -> str:
    """Return the SHA-256 of the texts, which does not depend on their order."""
    return hashlib.sha256(b"\n".join(sorted(map(_hash, texts)))).hexdigest()


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def main() -> None:
    run_app(app)


if __name__ == "__main__":
    main()
