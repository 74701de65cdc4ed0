"""`python -m training`, end to end, on texts drawn from two word distributions."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pytest

from scoring.artifact import registry
from scoring.artifact.artifact import Artifact
from scoring.artifact.gates import failed_gates
from scoring.artifact.manifest import Manifest
from scoring.artifact.profile import CATEGORIES, NUMBERS
from scoring.input.features import INPUT_FEATURES
from scoring.scorer import Scorer

pytestmark = pytest.mark.slow

STEPS_PER_EPOCH = 11
SHARED_WORDS = ["the", "a", "of", "and", "to", "it", "is", "on", "we", "you", "at", "for", "with"]
OWN_WORDS = (
    ["garden", "river", "bread", "window", "quiet", "winter", "letter", "walk", "kettle"],
    ["prize", "claim", "bonus", "winner", "voucher", "urgent", "credit", "offer", "reward"],
)


def sentence(draw: random.Random, label: int) -> str:
    words = draw.choices(OWN_WORDS[label], k=4) + draw.choices(SHARED_WORDS, k=draw.randint(3, 9))
    draw.shuffle(words)
    return " ".join(words)


def write_data(path: Path, rows: int = 240) -> Path:
    draw = random.Random(5)
    lines = [json.dumps({"text": sentence(draw, n % 2), "label": n % 2}) for n in range(rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "training", *map(str, arguments)]


def retrain(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, timeout=400
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("training")


@pytest.fixture(scope="module")
def data(folder: Path) -> Path:
    return write_data(folder / "toy.jsonl")


@pytest.fixture(scope="module")
def process(folder: Path, data: Path) -> subprocess.CompletedProcess[str]:
    return retrain(
        *("--data", data, "--preset", "tiny", "--name", "toy", "--labels", "letter,advert"),
        *("--models-dir", folder / "models", "--run-dir", folder / "runs", "--json"),
    )


@pytest.fixture(scope="module")
def artifact(folder: Path, process: subprocess.CompletedProcess[str]) -> Artifact:
    assert process.returncode == 0, process.stderr
    return Artifact.load(registry.resolve(folder / "models", "toy"))


def test_command_prints_the_version_as_json(
    folder: Path, process: subprocess.CompletedProcess[str]
) -> None:
    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout)
    # The first version of a name has no parent; in particular, it is not its own parent.
    assert (result["model"], result["parent"]) == ("toy/1.0.0", None)
    assert Path(result["folder"]) == folder / "models" / "toy" / "1.0.0"
    assert result["measured"]["int8"]["f1"] >= 0.9
    assert result["resources"]["wall_s"] > 0.0
    assert "oneDNN" not in process.stderr
    assert "Traceback" not in process.stderr


def test_version_separates_the_classes(artifact: Artifact) -> None:
    scorer, draw = Scorer(artifact), random.Random(6)
    letters, adverts = (
        [scorer.score(sentence(draw, label)) for _ in range(20)] for label in (0, 1)
    )
    assert {score.label for score in letters} == {"letter"}
    assert {score.label for score in adverts} == {"advert"}
    assert max(s.probability for s in letters) < min(s.probability for s in adverts)


def test_text_of_any_length_has_a_score(artifact: Artifact) -> None:
    scorer, draw = Scorer(artifact), random.Random(7)
    long = scorer.score(" ".join(sentence(draw, 1) for _ in range(200)))
    assert long.windows > 1
    assert 0.0 <= long.probability <= 1.0
    assert scorer.score("?").tokens == 1


def test_int8_agrees_with_float32(process: subprocess.CompletedProcess[str]) -> None:
    parity = json.loads(process.stdout)["measured"]["parity"]
    assert parity["largest_difference"] < 0.02
    assert parity["changed_decisions"] == 0.0


def test_manifest_contains_data_metrics_and_every_file(artifact: Artifact) -> None:
    manifest = artifact.manifest
    sizes = [manifest.data[name] for name in ("train", "validation", "test")]
    assert sum(sizes) == 240
    assert len(manifest.data["fingerprint"]) == 64
    assert {"int8", "float32", "validation", "parity", "ece"} <= set(manifest.metrics)
    files = {
        str(path.relative_to(artifact.folder))
        for path in artifact.folder.rglob("*")
        if path.is_file()
    }
    assert files == {*manifest.files, *manifest.training_files, "manifest.json"}
    assert "saved_model/saved_model.pb" in manifest.training_files
    assert {"calibration.json", "calibration.png", "curves.png"} <= set(manifest.files)


def test_saved_model_contains_no_optimizer_state(artifact: Artifact) -> None:
    """The optimizer's moments would triple the size of the weights."""
    saved = artifact.manifest.training_files["saved_model/variables/variables.data-00000-of-00001"]
    model = artifact.config.architecture
    embeddings = 4 * model["width"] * (model["vocabulary"] + model["max_tokens"])
    assert embeddings < saved.bytes < 2 * embeddings


def test_profile_describes_the_validation_split_without_its_texts(artifact: Artifact) -> None:
    profile = artifact.profile()
    assert profile.model == "toy/1.0.0"
    assert profile.rows == artifact.manifest.data["validation"]
    assert set(profile.columns) == {*NUMBERS, *CATEGORIES}
    assert {len(column) for column in profile.columns.values()} == {profile.rows}
    for name in NUMBERS:
        assert sum(profile.histograms[name].counts) == profile.rows
    assert set(profile.columns["decision"]) <= {"positive", "negative", "review"}
    raw = (artifact.folder / "profile.json").read_text()
    assert all(name in raw for name in INPUT_FEATURES)
    assert "voucher" not in raw
    assert "kettle" not in raw


def test_model_card_contains_the_metrics(artifact: Artifact) -> None:
    card = (artifact.folder / "MODEL_CARD.md").read_text()
    assert card.startswith("# toy/1.0.0\n")
    assert f"| f1 | {artifact.manifest.metrics['int8']['f1']:.4f}" in card
    assert artifact.manifest.data["fingerprint"] in card


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        (240, ("--text-column", "body"), "no column 'body'"),
        (240, ("--preset", "huge"), "Unknown preset 'huge'"),
        (240, ("--labels", "spam"), "--labels needs two names"),
        (240, ("--name", "../toy"), "is not a model version"),
        (240, ("--version", "first"), "is not a model version"),
        (240, ("--gate", "f1>>1"), "is not a gate"),
        (240, ("--from-pretrained", "nowhere"), "nowhere"),
        (240, ("--from", "toy"), "There is no model toy"),
        (240, ("--from", "toy", "--from-pretrained", "x"), "not both"),
        (10, (), "training needs at least 50"),
    ],
)
def test_invalid_input_is_reported_in_one_sentence(
    tmp_path: Path, rows: int, options: tuple[str, ...], sentence: str
) -> None:
    data = write_data(tmp_path / "data.jsonl", rows)
    failed = retrain(
        *("--data", data, "--preset", "tiny", "--models-dir", tmp_path / "m"),
        *("--name", "toy", "--labels", "letter,advert"),
        *("--run-dir", tmp_path / "runs", *options),
    )
    assert failed.returncode == 1
    assert sentence in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert failed.stdout == ""
    assert not (tmp_path / "m").exists()


def test_existing_version_is_not_overwritten(artifact: Artifact, folder: Path, data: Path) -> None:
    failed = retrain(
        *("--data", data, "--name", "toy", "--version", "1.0.0"),
        *("--models-dir", folder / "models", "--run-dir", folder / "runs"),
        *("--preset", "tiny", "--epochs", 1),
    )
    assert failed.returncode == 1
    assert "never overwritten" in failed.stderr
    artifact.manifest.verify(artifact.folder)


def test_manifest_contains_every_gate_and_its_bound(artifact: Artifact) -> None:
    gates = {gate["measure"]: gate for gate in artifact.manifest.gates}
    assert gates["f1"]["passed"] and gates["f1"]["bound"] == 0.9
    assert gates["f1_drop"]["skipped"]
    assert failed_gates(artifact.manifest) == []


def test_fitted_temperature_is_served(artifact: Artifact) -> None:
    fitted = json.loads((artifact.folder / "calibration.json").read_text())
    assert artifact.config.temperature == fitted["temperature"] != 1.0


def test_more_data_gives_a_minor_version_compared_with_its_parent(
    artifact: Artifact, folder: Path, data: Path
) -> None:
    more = write_data(folder / "more.jsonl", 60)
    rows = [json.loads(line) for line in more.read_text().splitlines()]
    new = [row | {"text": row["text"] + " again"} for row in rows]
    more.write_text("\n".join(map(json.dumps, new)), encoding="utf-8")
    process = retrain(
        # The version to start from has the name and the labels.
        *("--data", data, "--data", more, "--preset", "tiny", "--from", "toy"),
        *("--models-dir", folder / "models", "--epochs", 2),
        *("--run-dir", folder / "runs", "--gate", "f1>=1.01", "--no-saved-model", "--json"),
    )
    # A gate failed, and the version is saved.
    assert process.returncode == 3, process.stderr
    result = json.loads(process.stdout)
    assert (result["model"], result["parent"]) == ("toy/1.1.0", "toy/1.0.0")
    assert result["measured"]["compared"]["model"] == "toy/1.0.0"
    # Two epochs are enough, because the run starts from trained weights.
    assert result["measured"]["validation"]["f1"] > 0.9
    child = Artifact.load(folder / "models" / "toy" / "1.1.0")
    assert child.manifest.parent == "toy/1.0.0"
    assert child.manifest.files["tokenizer.json"] == artifact.manifest.files["tokenizer.json"]
    assert [sentence for sentence in failed_gates(child.manifest) if "f1" in sentence]
    assert not (child.folder / "saved_model").exists()
    child.manifest.verify(child.folder)


@dataclass(frozen=True, slots=True)
class Interrupted:
    """A run that was stopped by everything that can happen to it, and given again each time."""

    killed: list[subprocess.CompletedProcess[str]]
    full_disk: subprocess.CompletedProcess[str]
    last: subprocess.CompletedProcess[str]
    # What each attempt left under the folder of the models.
    left: list[list[Path]]
    version: Path
    run_dir: Path


@pytest.fixture(scope="module")
def interrupted(folder: Path, data: Path) -> Interrupted:
    """Give the command of `process` until a version is published."""
    models, runs = folder / "interrupted", folder / "runs-interrupted"
    options = ("--data", data, "--preset", "tiny", "--name", "toy", "--labels", "letter,advert")
    places = ("--models-dir", models, "--run-dir", runs)
    each_step = ("--checkpoint-every", 0)
    left: list[list[Path]] = []

    def attempt(*words: object, until: Path | None = None) -> subprocess.CompletedProcess[str]:
        ended = run(*words, *options, *places, until=until)
        left.append(list(models.rglob("*")))
        return ended

    def killed_at(saves: int) -> subprocess.CompletedProcess[str]:
        module = "tests.integration.training.loop.killed_at"
        return attempt(sys.executable, "-m", module, saves, *each_step)

    first_epoch = killed_at(3)
    # A limit on the file size stands in for a full disk: the write fails in the same way.
    full_disk = attempt("bash", "-c", 'ulimit -f 300; exec "$@"', "sh", *command(*each_step))
    # The end of an epoch saves the state once more.
    second_epoch = killed_at(STEPS_PER_EPOCH)
    while_saving = attempt(*command(), until=models / "toy")
    return Interrupted(
        killed=[first_epoch, second_epoch, while_saving],
        full_disk=full_disk,
        last=run(*command(*options, *places)),
        left=left,
        version=models / "toy" / "1.0.0",
        run_dir=runs,
    )


def run(*words: object, until: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command to its end, or kill it once `until` has a part of a version."""
    with subprocess.Popen(
        [str(word) for word in words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        if until is not None:
            wait_for_partial(until, process)
            os.killpg(process.pid, signal.SIGKILL)
        output, errors = process.communicate(timeout=400)
    return subprocess.CompletedProcess(process.args, process.returncode, output, errors)


def wait_for_partial(folder: Path, process: subprocess.Popen[str]) -> None:
    """Wait for the first file of an incomplete version."""
    deadline = time.monotonic() + 90
    while not any(folder.glob(".*.partial/*")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)  # the interval between two checks


def test_kill_in_training_and_while_saving_leaves_no_version(interrupted: Interrupted) -> None:
    for killed in interrupted.killed:
        assert killed.returncode == -signal.SIGKILL, killed.stderr
    *in_training, while_saving = interrupted.left
    assert in_training == [[], [], []]
    assert "1.0.0" not in {path.name for path in while_saving}


def test_full_disk_leaves_no_version(interrupted: Interrupted) -> None:
    failed = interrupted.full_disk
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "could not be saved" in failed.stderr
    assert interrupted.left[1] == []


def test_interrupted_run_ends_in_the_same_version(
    interrupted: Interrupted, artifact: Artifact
) -> None:
    """So does a second run with the same command, of which this one is the harder case."""
    assert interrupted.last.returncode == 0, interrupted.last.stderr
    for resumed in (*interrupted.killed[1:], interrupted.last):
        assert "resuming from step" in resumed.stderr
    first, second = artifact.manifest, Manifest.read(interrupted.version)
    assert second.version == "1.0.0"
    second.verify(interrupted.version)
    variables = "saved_model/variables/variables.data-00000-of-00001"
    assert first.training_files[variables] == second.training_files[variables]
    for name in ("tokenizer.json", "model.int8.tflite"):
        assert first.files[name] == second.files[name]
    assert first.metrics["int8"] == second.metrics["int8"]
    assert not list(interrupted.run_dir.glob("*/state.npz"))
