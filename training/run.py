"""One run from top to bottom: train, export, convert to int8, calibrate, measure, publish."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

from plumbline.version import __version__
from scoring.artifact import artifact as files
from scoring.artifact.artifact import Artifact
from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import FILE_NAME, Manifest, hashes
from scoring.artifact.model_ref import ModelRef
from scoring.artifact.seen_texts import SeenTexts
from scoring.input.tokenizer import Tokenizer
from training.data.composition import composition
from training.data.splits import Splits
from training.evaluation.baselines import baselines
from training.evaluation.calibration import calibrate
from training.evaluation.gates import Gate
from training.evaluation.measurement import (
    ComparedAnswers,
    Measurement,
    measure_compared_version,
    measure_version,
)
from training.evaluation.plots import TrainingCurves, plot_calibration, plot_training_curves
from training.evaluation.predictions import (
    PairedPredictions,
    predict,
    score_all,
    scorers_of,
)
from training.evaluation.saved_model_runtime import SavedModelRuntime
from training.loop.resource_monitor import ResourceMonitor, ResourceUsage
from training.loop.schedule import learning_rate
from training.loop.train import TrainedModel, train_classifier
from training.model.initial_weights import SAVED_MODEL, InitialWeights
from training.presets import RunOptions, TrainingConfig
from training.release.convert import convert_to_int8
from training.release.drift_reference import build_familiarity, build_profile
from training.release.export import export_saved_model
from training.release.model_card import ModelCard
from training.release.publish import check_version_is_free, check_writable, staging_folder
from training.release.versions import newest_version, next_version
from training.steps import step, track

CALIBRATION = "calibration.json"
CURVES_PLOT = "curves.png"
CALIBRATION_PLOT = "calibration.png"


@dataclass(frozen=True, slots=True)
class ReleaseOptions:
    """The version to make and the gates it has to pass.

    `labels` is (negative, positive). `version` None means the next number; `compare_with` None
    means the newest version of that name, if there is one. With `show_texts`, the report contains
    the texts of the worst errors.
    """

    models_dir: Path
    name: str
    labels: tuple[str, str]
    data_name: str
    version: str | None = None
    compare_with: str | None = None
    gates: Sequence[Gate] = field(default_factory=tuple)
    keep_saved_model: bool = True
    show_texts: bool = False


@dataclass(frozen=True, slots=True)
class RunResult:
    """The version that a run published, its measurement, and the resources the run used."""

    model: str
    labels: tuple[str, str]
    folder: Path
    parent: str | None
    measured: Measurement
    resources: ResourceUsage


def train_version(
    splits: Splits,
    config: TrainingConfig,
    weights: InitialWeights,
    release: ReleaseOptions,
    options: RunOptions,
) -> RunResult:
    """Make a version and publish it completely; raises TrainingError and then publishes nothing.

    A killed run resumes when the same arguments are given again.
    """
    check_writable(release.models_dir)
    if release.version is not None:
        check_version_is_free(
            release.models_dir, ModelRef.parse(f"{release.name}/{release.version}")
        )
    earlier = release.compare_with or _newest(release)
    compared = None
    if earlier:
        with step(f"measure {earlier} on the {len(splits.test):,} test texts"):
            compared = measure_compared_version(release.models_dir, earlier, splits.test)
    with ResourceMonitor() as monitor:
        trained = train_classifier(splits, config, weights, options)
        ref = _ref(trained, splits, release)
        with staging_folder(release.models_dir, ref) as folder:
            draft = VersionDraft(folder, ref, trained, splits, weights, release)
            # Read before publishing: afterwards the newest version is this one.
            parent = draft.parent
            draft.write_model()
            measured = draft.measure(compared)
            draft.write_documentation(measured, monitor.usage())
            draft.write_manifest(measured)
    trained.checkpoint.clear()
    return RunResult(
        model=str(ref),
        labels=release.labels,
        folder=release.models_dir / ref.name / ref.semver,
        parent=parent,
        measured=measured,
        resources=monitor.usage(),
    )


@dataclass(frozen=True, slots=True)
class VersionDraft:
    """A version being written to its staging folder."""

    folder: Path
    ref: ModelRef
    trained: TrainedModel
    splits: Splits
    weights: InitialWeights
    release: ReleaseOptions

    @property
    def saved_model(self) -> Path:
        return self.folder / SAVED_MODEL

    @property
    def parent(self) -> str | None:
        """The version whose weights it started from, otherwise the newest version of its name."""
        return str(self.weights.parent) if self.weights.parent else _newest(self.release)

    def write_model(self) -> None:
        """Write tokenizer, familiarity, seen texts, configuration and SavedModel."""
        shape = self.trained.config.model
        self.trained.tokenizer.save(str(self.folder / files.TOKENIZER))
        with step(f"count the words of {len(self.splits.train):,} training texts"):
            build_familiarity(
                (example.text for example in track(self.splits.train)),
                Tokenizer.read(self.folder / files.TOKENIZER),
                shape.vocabulary,
            ).write(self.folder / files.FAMILIARITY)
        seen = (*self.splits.train, *self.splits.validation)
        SeenTexts.of(example.text for example in seen).write(self.folder)
        ScoringConfig(
            labels=self.release.labels, max_tokens=shape.max_tokens, architecture=asdict(shape)
        ).write(self.folder / files.CONFIG)
        with step("export the float32 model"):
            export_saved_model(self.trained.model, shape, self.saved_model)

    def convert_and_score(self) -> PairedPredictions:
        """Write the int8 model, and score the test split with both models.

        The conversion is a process of its own, during which the float32 model scores.
        """
        artifact, test = self._artifact(), self.splits.test
        float32 = SavedModelRuntime(self.saved_model)
        name = f"convert it to int8, and score {len(test):,} test texts with the float32 model"
        with step(name), ThreadPoolExecutor(1) as executor:
            conversion = executor.submit(
                convert_to_int8, self.saved_model, self.folder / files.MODEL
            )
            exact = predict(scorers_of(artifact, len(test), float32), test)
            conversion.result()
        with step(f"score {len(test):,} test texts with the int8 model"):
            served = predict(scorers_of(artifact, len(test)), test)
        tokens = [len(artifact.tokenizer.encode(example.text)) for example in test]
        return PairedPredictions(int8=served, float32=exact, tokens=tokens)

    def measure(self, compared: ComparedAnswers | None) -> Measurement:
        """Calibrate on the validation split, then measure the int8 model that will serve."""
        test = self.convert_and_score()
        artifact, held_out = self._artifact(), self.splits.validation
        with step(f"score {len(held_out):,} validation texts with the int8 model"):
            validation = predict(scorers_of(artifact, len(held_out)), held_out)
        config = artifact.config
        calibration = calibrate(validation, test.int8, config.window_rule)
        replace(config, temperature=calibration.temperature, bias=calibration.bias).write(
            self.folder / files.CONFIG
        )
        with step("train a linear model on counts of words, for comparison"):
            simple = baselines(self.splits.train, self.splits.test)
        calibration.write(self.folder / CALIBRATION)
        return measure_version(
            self._artifact(),
            self.saved_model,
            validation=validation,
            examples=self.splits.test,
            test=test,
            baselines=simple,
            calibration=calibration,
            compared=compared,
            gates=self.release.gates,
            show_texts=self.release.show_texts,
        )

    def write_documentation(self, measured: Measurement, usage: ResourceUsage) -> None:
        """Write the drift reference, the plots and the model card."""
        held_out = self.splits.validation
        with step("describe the validation texts as the reference of drift"):
            scores = score_all(scorers_of(self._artifact(), len(held_out)), held_out)
        build_profile(str(self.ref), "validation", scores).write(self.folder / files.PROFILE)
        plot_training_curves(self.folder / CURVES_PLOT, _curves(self.trained))
        calibration = measured.calibration
        plot_calibration(
            self.folder / CALIBRATION_PLOT, calibration.test_before, calibration.test_after
        )
        card = self._card(measured, usage).markdown()
        (self.folder / files.CARD).write_text(card, encoding="utf-8")

    def write_manifest(self, measured: Measurement) -> None:
        """Write the manifest, which is the last file because it holds the hashes of all others."""
        saved = _file_names(self.folder, self.saved_model)
        serving = [name for name in _file_names(self.folder, self.folder) if name not in saved]
        replace(
            self._manifest(),
            metrics=measured.for_manifest(),
            gates=[asdict(result) for result in measured.gates],
            files=hashes(self.folder, serving),
            training_files=hashes(self.folder, saved),
        ).write(self.folder)
        if not self.release.keep_saved_model:
            shutil.rmtree(self.saved_model)

    def _artifact(self) -> Artifact:
        """Load the version as a worker will, but without a manifest to verify it."""
        return Artifact.open_unverified(self.folder, self._manifest())

    def _manifest(self) -> Manifest:
        return Manifest(
            name=self.ref.name,
            version=self.ref.semver,
            created_at=datetime.now(UTC).isoformat(timespec="seconds"),
            parent=self.parent,
            code_version=__version__,
            data=_data(self.splits, self.release),
            metrics={},
            gates=[],
            files={},
        )

    def _card(self, measured: Measurement, usage: ResourceUsage) -> ModelCard:
        settings = asdict(self.trained.config)
        architecture = settings.pop("model")
        return ModelCard(
            model=str(self.ref),
            labels=self.release.labels,
            parent=self.parent,
            initial_weights=self.weights.name,
            data=_data(self.splits, self.release),
            architecture=architecture,
            training=_training_figures(self.trained) | settings,
            resources=usage,
            measured=measured,
            threshold=self._artifact().config.threshold,
            calibration_plot=CALIBRATION_PLOT,
            curves_plot=CURVES_PLOT,
        )


def _newest(release: ReleaseOptions) -> str | None:
    newest = newest_version(release.models_dir, release.name)
    return str(newest) if newest else None


def _ref(trained: TrainedModel, splits: Splits, release: ReleaseOptions) -> ModelRef:
    tokenizer = trained.folder / files.TOKENIZER
    trained.tokenizer.save(str(tokenizer))
    ref = next_version(
        release.models_dir,
        release.name,
        release.version,
        data=splits.fingerprint,
        shape=trained.config.model,
        tokenizer=tokenizer,
    )
    check_version_is_free(release.models_dir, ref)
    return ref


def _data(splits: Splits, release: ReleaseOptions) -> dict[str, object]:
    return {
        "name": release.data_name,
        "fingerprint": splits.fingerprint,
        **composition(splits),
    }


def _training_figures(trained: TrainedModel) -> dict[str, object]:
    history = trained.history
    return {
        "steps taken": history.step,
        "best epoch": history.best_epoch + 1,
        "validation loss": round(min(history.validation_loss), 4),
        "seconds": round(history.seconds),
        "tokens per second": round(history.tokens / max(history.seconds, 1e-9)),
    }


def _curves(trained: TrainedModel) -> TrainingCurves:
    history, config = trained.history, trained.config
    return TrainingCurves(
        loss=list(enumerate(history.step_loss, start=1)),
        validation_loss=list(zip(history.epoch_ends, history.validation_loss, strict=True)),
        rate=[(step + 1, learning_rate(step, config)) for step in range(history.step)],
        best_step=history.epoch_ends[history.best_epoch],
    )


def _file_names(root: Path, folder: Path) -> list[str]:
    """Name every file under `folder` as the manifest does, except the manifest itself."""
    paths = (path for path in folder.rglob("*") if path.is_file())
    return [str(path.relative_to(root)) for path in paths if path.name != FILE_NAME]
