"""One run, top to bottom: learn, export, int8, calibrate, measure, judge, publish."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from plumbline.version import __version__
from scoring.artifact import artifact as files
from scoring.artifact.artifact import Artifact
from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import FILE_NAME, Manifest, hashes
from scoring.artifact.model_ref import ModelRef
from scoring.input.tokenizer import Tokenizer
from scoring.scorer import Scorer
from training.data.examples import Splits
from training.evaluation.calibration import calibrate
from training.evaluation.gates import Gate
from training.evaluation.measurement import Compared, Measurement, compare_with, measure
from training.evaluation.plots import Curves, calibration_plot, training_curves
from training.evaluation.predictions import ask, ask_both
from training.loop.learn import Learned, RunOptions, learn
from training.loop.resources import Resources, ResourceUsage
from training.loop.schedule import learning_rate
from training.model.start import SAVED_MODEL, Start
from training.presets import TrainingConfig
from training.release.card import CardFacts, write_card
from training.release.convert import convert
from training.release.export import export
from training.release.publish import check_free, publishing
from training.release.reference import learn_familiarity, make_profile
from training.release.versions import newest, next_ref

CALIBRATION = "calibration.json"
CURVES_PLOT = "curves.png"
CALIBRATION_PLOT = "calibration.png"


@dataclass(frozen=True, slots=True)
class Target:
    """What is to be made, where, from what, and what it is held against.

    `labels` is (negative, positive). `version` None means the next one; `compare_with` None means
    the newest version of that name, if there is one.
    """

    models_dir: Path
    name: str
    labels: tuple[str, str]
    data_name: str
    version: str | None = None
    compare_with: str | None = None
    gates: Sequence[Gate] = field(default_factory=tuple)
    keep_saved_model: bool = True


@dataclass(frozen=True, slots=True)
class Made:
    """What a run made, what it was measured to do, and what it took."""

    model: str
    folder: Path
    parent: str | None
    measured: Measurement
    resources: ResourceUsage


def run(
    parts: Splits, config: TrainingConfig, start: Start, target: Target, options: RunOptions
) -> Made:
    """Make a version and publish it whole; raises TrainingError, and then nothing is visible.

    A run that was killed goes on where it stood when the same command is given again.
    """
    if target.version is not None:
        check_free(target.models_dir, ModelRef.parse(f"{target.name}/{target.version}"))
    before = target.compare_with or _newest(target)
    compared = compare_with(target.models_dir, before, parts.test) if before else None
    with Resources() as resources:
        learned = learn(parts, config, start, options)
        ref = _ref(learned, parts, target)
        with publishing(target.models_dir, ref) as folder:
            draft = Draft(folder, ref, learned, parts, start, target)
            # Once it is published, the version before it would be itself.
            parent = draft.parent
            draft.write_model()
            measured = draft.measure(compared)
            draft.describe(measured, resources.usage())
            draft.seal(measured)
    learned.checkpoint.clear()
    return Made(
        model=str(ref),
        folder=target.models_dir / ref.name / ref.semver,
        parent=parent,
        measured=measured,
        resources=resources.usage(),
    )


@dataclass(frozen=True, slots=True)
class Draft:
    """A version that is being written, in a folder nobody reads yet."""

    folder: Path
    ref: ModelRef
    learned: Learned
    parts: Splits
    start: Start
    target: Target

    @property
    def saved_model(self) -> Path:
        return self.folder / SAVED_MODEL

    @property
    def parent(self) -> str | None:
        """What it started from, else the version before it."""
        return str(self.start.parent) if self.start.parent else _newest(self.target)

    def write_model(self) -> None:
        """Tokenizer, what it read in training, configuration, SavedModel, int8."""
        shape = self.learned.config.model
        self.learned.tokenizer.save(str(self.folder / files.TOKENIZER))
        learn_familiarity(
            (example.text for example in self.parts.train),
            Tokenizer.read(self.folder / files.TOKENIZER),
            shape.vocabulary,
        ).write(self.folder / files.FAMILIARITY)
        ScoringConfig(
            labels=self.target.labels, max_tokens=shape.max_tokens, architecture=asdict(shape)
        ).write(self.folder / files.CONFIG)
        export(self.learned.model, shape, self.saved_model)
        convert(self.saved_model, self.folder / files.MODEL)

    def measure(self, compared: Compared | None) -> Measurement:
        """Calibrate on validation, then measure what will be served."""
        artifact = self._artifact()
        validation = ask(Scorer(artifact), self.parts.validation)
        test = ask_both(artifact, self.saved_model, self.parts.test)
        config = artifact.config
        calibration = calibrate(validation, test.served, config.window_rule)
        replace(config, temperature=calibration.temperature).write(self.folder / files.CONFIG)
        calibration.write(self.folder / CALIBRATION)
        return measure(
            self._artifact(),
            self.saved_model,
            validation=validation,
            test=test,
            calibration=calibration,
            compared=compared,
            gates=self.target.gates,
        )

    def describe(self, measured: Measurement, used: ResourceUsage) -> None:
        """The reference for drift, the plots, the card."""
        scorer = Scorer(self._artifact())
        scores = [scorer.score(example.text) for example in self.parts.validation]
        make_profile(str(self.ref), "validation", scores).write(self.folder / files.PROFILE)
        training_curves(self.folder / CURVES_PLOT, _curves(self.learned))
        calibration = measured.calibration
        calibration_plot(
            self.folder / CALIBRATION_PLOT, calibration.test_before, calibration.test_after
        )
        card = write_card(self._facts(measured, used))
        (self.folder / files.CARD).write_text(card, encoding="utf-8")

    def seal(self, measured: Measurement) -> None:
        """Write the manifest, last of all: it holds the hash of every other file."""
        saved = _names(self.folder, self.saved_model)
        serving = [name for name in _names(self.folder, self.folder) if name not in saved]
        replace(
            self._manifest(),
            metrics=_metrics(measured),
            gates=[asdict(result) for result in measured.gates],
            files=hashes(self.folder, serving),
            training_files=hashes(self.folder, saved),
        ).write(self.folder)
        if not self.target.keep_saved_model:
            shutil.rmtree(self.saved_model)

    def _artifact(self) -> Artifact:
        """As it will be loaded, before there is a manifest to verify it."""
        return Artifact.draft(self.folder, self._manifest())

    def _manifest(self) -> Manifest:
        return Manifest(
            name=self.ref.name,
            version=self.ref.semver,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            parent=self.parent,
            code_version=__version__,
            data=_data(self.parts, self.target),
            metrics={},
            gates=[],
            files={},
        )

    def _facts(self, measured: Measurement, used: ResourceUsage) -> CardFacts:
        settings = asdict(self.learned.config)
        architecture = settings.pop("model")
        return CardFacts(
            model=str(self.ref),
            labels=self.target.labels,
            parent=self.parent,
            start=self.start.name,
            data=_data(self.parts, self.target),
            architecture=architecture,
            training=_outcome(self.learned) | settings,
            resources=used,
            int8=measured.int8,
            int8_intervals=measured.int8_intervals,
            float32=measured.float32,
            float32_intervals=measured.float32_intervals,
            confusion=measured.confusion,
            by_length=measured.by_length,
            parity=measured.parity,
            calibration=measured.calibration,
            threshold=self._artifact().config.threshold,
            gates=measured.gates,
            latency_ms=measured.latency_ms,
            sizes=measured.sizes,
            calibration_plot=CALIBRATION_PLOT,
            curves_plot=CURVES_PLOT,
        )


def _newest(target: Target) -> str | None:
    found = newest(target.models_dir, target.name)
    return str(found) if found else None


def _ref(learned: Learned, parts: Splits, target: Target) -> ModelRef:
    tokenizer = learned.folder / files.TOKENIZER
    learned.tokenizer.save(str(tokenizer))
    ref = next_ref(
        target.models_dir,
        target.name,
        target.version,
        data=parts.fingerprint,
        shape=learned.config.model,
        tokenizer=tokenizer,
    )
    check_free(target.models_dir, ref)
    return ref


def _data(parts: Splits, target: Target) -> dict[str, object]:
    return {
        "name": target.data_name,
        "fingerprint": parts.fingerprint,
        "train": len(parts.train),
        "validation": len(parts.validation),
        "test": len(parts.test),
    }


def _metrics(measured: Measurement) -> dict[str, object]:
    return {
        "int8": asdict(measured.int8),
        "intervals": asdict(measured.int8_intervals),
        "float32": asdict(measured.float32),
        "validation": asdict(measured.validation),
        "parity": asdict(measured.parity),
        "ece": measured.calibration.test_after.ece,
        "temperature": measured.calibration.temperature,
        "latency_ms": {str(length): ms for length, ms in measured.latency_ms.items()},
        "sizes": measured.sizes,
    }


def _outcome(learned: Learned) -> dict[str, object]:
    history = learned.history
    return {
        "steps taken": history.step,
        "best epoch": history.best_epoch + 1,
        "validation loss": round(min(history.validation_loss), 4),
        "seconds": round(history.seconds),
        "tokens a second": round(history.tokens / max(history.seconds, 1e-9)),
    }


def _curves(learned: Learned) -> Curves:
    history, config = learned.history, learned.config
    return Curves(
        loss=list(enumerate(history.step_loss, start=1)),
        validation_loss=list(zip(history.epoch_ends, history.validation_loss, strict=True)),
        rate=[(step + 1, learning_rate(step, config)) for step in range(history.step)],
        best_step=history.epoch_ends[history.best_epoch],
    )


def _names(root: Path, folder: Path) -> list[str]:
    """Every file under `folder`, as the manifest names it; the manifest itself is not."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [str(path.relative_to(root)) for path in paths if path.name != FILE_NAME]
