"""`python -m training.pretrain`: a backbone that knows a language, from texts nobody labelled.

Writes a Hugging Face folder, which `python -m training --from FOLDER` starts from.
"""

from __future__ import annotations

import hashlib
import json
import logging
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING, Annotated

import typer

from training.data.examples import normalise, read_texts
from training.errors import DataUnusable, TrainingError
from training.presets import PRESETS, TrainingConfig
from training.quiet_import import quiet_import

if TYPE_CHECKING:
    from training.loop.history import History

HELD_OUT = 0.05
FEWEST_TEXTS = 100
# Devlin et al. (2019) use 1e-4 for this size; a small network learns at more.
RATES = {"tiny": 5e-3, "small": 1e-3, "spec": 1e-4}
app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@dataclass(frozen=True, slots=True)
class Pretrained:
    """What was made. Losses are mean cross-entropies of hidden tokens, in nats."""

    folder: Path
    texts: int
    steps: int
    loss: float
    validation_loss: float
    seconds: float


@app.command()
def pretrain(
    data: Annotated[
        list[Path], typer.Option(help="CSV, JSONL or Parquet; a split named test is left out.")
    ],
    out: Annotated[Path, typer.Option(help="The folder to write; it must not be there yet.")],
    preset: Annotated[str, typer.Option(help=f"The shape: {', '.join(PRESETS)}.")] = "small",
    text_column: Annotated[str, typer.Option(help="Column of the text.")] = "text",
    steps: Annotated[int, typer.Option(min=1, help="How long to learn.")] = 20_000,
    epochs: Annotated[int, typer.Option(min=1, help="At most so many times each text.")] = 40,
    train_tokens: Annotated[int, typer.Option(min=8, max=512, help="Texts are cut here.")] = 128,
    seed: Annotated[int, typer.Option(min=0)] = 7,
    devices: Annotated[int, typer.Option(min=1, help="GPUs of this machine to train on.")] = 1,
    run_dir: Annotated[Path, typer.Option(help="Where a run that is killed goes on from.")] = Path(
        "runs"
    ),
    checkpoint_every: Annotated[float, typer.Option(min=0.0, help="Seconds.")] = 300.0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object, for programs.")] = False,
) -> None:
    """Learn a vocabulary and a backbone by saying hidden tokens; a killed run is gone on with."""
    if preset not in PRESETS:
        raise TrainingError(f"There is no preset {preset!r}; there is: {', '.join(PRESETS)}.")
    if out.exists():
        raise TrainingError(f"{out} is there already; give another --out.")
    texts = [text for path in data for text in read_texts(path, text_column)]
    config = replace(
        PRESETS[preset],
        learning_rate=RATES[preset],
        floor_rate=RATES[preset] / 100,
        warmup_steps=min(steps // 10, 2_000),
        total_steps=steps,
        epochs=epochs,
        train_tokens=train_tokens,
        patience=epochs,
        seed=seed,
    )
    try:
        with quiet_import():
            from training.loop.learn import RunOptions
    except ImportError as error:
        raise TrainingError(f"Training needs plumbline[train] installed: {error}.") from error
    made = run(texts, config, out, RunOptions(run_dir, devices, checkpoint_every))
    if as_json:
        sys.stdout.write(json.dumps(asdict(made), default=str) + "\n")
    else:
        sys.stdout.write(
            f"{made.texts:,} texts, {made.steps:,} steps, loss {made.loss:.3f}, on texts held out "
            f"{made.validation_loss:.3f}, {made.seconds:.0f} s; saved in {made.folder}\n"
        )


def run(texts: Sequence[str], config: TrainingConfig, out: Path, options: object) -> Pretrained:
    """Pretrain and write the folder, whole or not at all."""
    from training.loop.learn import RunOptions, learn_masked
    from training.model.huggingface import save_backbone

    assert isinstance(options, RunOptions)
    started = perf_counter()
    train, held_out = parted(texts)
    learned = learn_masked(train, held_out, config, options, digest(texts))
    partial = out.with_name(f".{out.name}.partial")
    save_backbone(partial, learned.model.backbone, learned.config.model, learned.tokenizer)
    partial.rename(out)
    learned.checkpoint.clear()
    history: History = learned.history
    return Pretrained(
        folder=out,
        texts=len(texts),
        steps=history.step,
        loss=history.loss[history.best_epoch],
        validation_loss=min(history.validation_loss),
        seconds=perf_counter() - started,
    )


def parted(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Training texts and those held out, by their hash, without duplicates."""
    unique = list({normalise(text): text for text in texts}.values())
    if len(unique) < FEWEST_TEXTS:
        raise DataUnusable(
            f"There are {len(unique)} different texts, and at least {FEWEST_TEXTS} are needed."
        )
    unique.sort(key=lambda text: _hash(text))
    count = max(1, round(HELD_OUT * len(unique)))
    return unique[count:], unique[:count]


def digest(texts: Sequence[str]) -> str:
    """SHA-256 over the sorted texts: the same texts in any order are the same."""
    return hashlib.sha256(b"\n".join(sorted(map(_hash, texts)))).hexdigest()


def _hash(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def main() -> None:
    """Run, with one sentence instead of a traceback for whatever a person can put right."""
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    try:
        app()
    except TrainingError as error:
        sys.stderr.write(f"{error}\n")
        raise SystemExit(1) from error
    except KeyboardInterrupt:
        raise SystemExit(130) from None


if __name__ == "__main__":
    main()
