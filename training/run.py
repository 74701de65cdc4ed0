"""One run, top to bottom: vocabulary, model, training, export, int8, measures, artifact."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter
from typing import Any

import keras
import tensorflow as tf
import tokenizers

from plumbline.version import __version__
from scoring import artifact as files
from scoring.artifact import Artifact
from scoring.config import ScoringConfig
from scoring.manifest import Manifest, hashes
from scoring.score import Score
from scoring.scorer import Scorer
from scoring.tokenizer import Tokenizer
from scoring.version import ModelRef
from training.card import CardFacts, write_card
from training.convert import convert
from training.data import Example, Splits
from training.evaluate import Metrics, Parity, compare, measure
from training.export import export, float32_probabilities
from training.fit import History, fit
from training.model import Classifier, build
from training.pipeline import batches
from training.presets import TrainingConfig
from training.publish import check_free, publishing
from training.reference import make_profile
from training.vocabulary import train_vocabulary

log = logging.getLogger(__name__)
SAVED_MODEL = "saved_model"


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be made, where, and from what. `labels` is (negative, positive)."""

    models_dir: Path
    ref: ModelRef
    labels: tuple[str, str]
    data_name: str
    keep_saved_model: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """What a run made and measured: sizes in bytes, `seconds` from start to end."""

    model: str
    folder: Path
    int8: Metrics
    float32: Metrics
    validation: Metrics
    parity: Parity
    sizes: dict[str, int]
    seconds: float


def run(parts: Splits, config: TrainingConfig, target: Target) -> Made:
    """Train a version and publish it whole; raises TrainingError, and then leaves nothing."""
    started = perf_counter()
    check_free(target.models_dir, target.ref)
    _settle(config)
    tokenizer = _vocabulary(parts.train, config)
    config = replace(config, model=replace(config.model, vocabulary=tokenizer.get_vocab_size()))
    model = build(config.model)
    history = fit(
        model,
        batches(tokenizer, parts.train, config, training=True),
        batches(tokenizer, parts.validation, config, training=False),
        config,
    )
    with publishing(target.models_dir, target.ref) as folder:
        _write_model(folder, model, tokenizer, config, target.labels)
        manifest = _manifest(parts, target)
        scorer = _scorer(folder, manifest)
        validation = [scorer.score(example.text) for example in parts.validation]
        make_profile(str(target.ref), "validation", validation).write(folder / files.PROFILE)
        made = _measure(folder, scorer, parts, validation, target, started)
        card = _card(made, manifest, config, history, target.labels)
        (folder / files.CARD).write_text(card, encoding="utf-8")
        _seal(folder, manifest, made)
        if not target.keep_saved_model:
            shutil.rmtree(folder / SAVED_MODEL)
    return made


def _settle(config: TrainingConfig) -> None:
    keras.utils.set_random_seed(config.seed)
    tf.config.experimental.enable_op_determinism()
    keras.mixed_precision.set_global_policy(
        "mixed_bfloat16" if config.mixed_precision else "float32"
    )


def _vocabulary(train: Sequence[Example], config: TrainingConfig) -> tokenizers.Tokenizer:
    wanted = config.model.vocabulary
    tokenizer = train_vocabulary(
        [example.text for example in train],
        wanted,
        lowercase=config.lowercase,
        same_digits=config.same_digits,
    )
    found = tokenizer.get_vocab_size()
    if found < wanted:
        log.warning(
            "The training texts fill %d of %d vocabulary places; going on with those.",
            found,
            wanted,
        )
    return tokenizer


def _write_model(
    folder: Path,
    model: Classifier,
    tokenizer: tokenizers.Tokenizer,
    config: TrainingConfig,
    labels: tuple[str, str],
) -> None:
    tokenizer.save(str(folder / files.TOKENIZER))
    ScoringConfig(
        labels=labels, max_tokens=config.model.max_tokens, architecture=asdict(config.model)
    ).write(folder / files.CONFIG)
    export(model, config.model, folder / SAVED_MODEL)
    convert(folder / SAVED_MODEL, folder / files.MODEL)


def _manifest(parts: Splits, target: Target) -> Manifest:
    """Without files and metrics, which are not there yet."""
    sizes = {"train": len(parts.train), "validation": len(parts.validation)}
    return Manifest(
        name=target.ref.name,
        version=target.ref.semver,
        created_at=datetime.now(UTC).isoformat(timespec="seconds"),
        parent=None,
        code_version=__version__,
        data={
            "name": target.data_name,
            "fingerprint": parts.fingerprint,
            **sizes,
            "test": len(parts.test),
        },
        metrics={},
        gates=[],
        files={},
    )


def _scorer(folder: Path, manifest: Manifest) -> Scorer:
    """The scorer that will serve, before there is a manifest for it to verify."""
    config = ScoringConfig.read(folder / files.CONFIG)
    tokenizer = Tokenizer.read(folder / files.TOKENIZER)
    return Scorer(Artifact(folder, manifest, config, tokenizer))


def _measure(
    folder: Path,
    scorer: Scorer,
    parts: Splits,
    validation: Sequence[Score],
    target: Target,
    started: float,
) -> Made:
    truth = [example.label for example in parts.test]
    served = [scorer.score(example.text).probability for example in parts.test]
    exact = float32_probabilities(
        folder / SAVED_MODEL, scorer.artifact, [example.text for example in parts.test]
    )
    return Made(
        model=str(target.ref),
        folder=target.models_dir / target.ref.name / target.ref.semver,
        int8=measure(truth, served),
        float32=measure(truth, exact),
        validation=measure(
            [example.label for example in parts.validation],
            [score.probability for score in validation],
        ),
        parity=compare(served, exact),
        sizes={
            "int8": (folder / files.MODEL).stat().st_size,
            "saved_model": sum(path.stat().st_size for path in _saved(folder)),
        },
        seconds=perf_counter() - started,
    )


def _card(
    made: Made,
    manifest: Manifest,
    config: TrainingConfig,
    history: History,
    labels: tuple[str, str],
) -> str:
    settings: dict[str, Any] = asdict(config)
    architecture = settings.pop("model")
    outcome = {
        "steps taken": history.steps,
        "best epoch": history.best_epoch + 1,
        "validation loss": round(min(history.validation_loss), 4),
        "seconds": round(made.seconds),
    }
    return write_card(
        CardFacts(
            model=made.model,
            labels=labels,
            data=manifest.data,
            architecture=architecture,
            training=outcome | settings,
            int8=made.int8,
            float32=made.float32,
            parity=made.parity,
            sizes=made.sizes,
        )
    )


def _seal(folder: Path, manifest: Manifest, made: Made) -> None:
    """Write the manifest, last of all: it holds the hash of every other file."""
    saved = [str(path.relative_to(folder)) for path in _saved(folder)]
    metrics = {
        "int8": asdict(made.int8),
        "float32": asdict(made.float32),
        "validation": asdict(made.validation),
        "parity": asdict(made.parity),
    }
    replace(
        manifest,
        metrics=metrics,
        files=hashes(folder, files.SERVING_FILES),
        training_files=hashes(folder, saved),
    ).write(folder)


def _saved(folder: Path) -> list[Path]:
    return [path for path in (folder / SAVED_MODEL).rglob("*") if path.is_file()]
