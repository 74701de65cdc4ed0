"""`python -m training`, end to end, on texts drawn from two word distributions."""

import json
import os
import random
import signal
import subprocess
import sys
import time
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
        command(*arguments), capture_output=True, text=True, check=False, timeout=200
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


def test_same_command_trains_the_same_model(artifact: Artifact, folder: Path, data: Path) -> None:
    again = retrain(
        *("--data", data, "--preset", "tiny", "--name", "toy", "--labels", "letter,advert"),
        *("--models-dir", folder / "again", "--no-saved-model", "--json"),
        *("--run-dir", folder / "runs-again"),
    )
    assert again.returncode == 0, again.stderr
    manifest = Manifest.read(folder / "again" / "toy" / "1.0.0")
    assert manifest.files["tokenizer.json"] == artifact.manifest.files["tokenizer.json"]
    assert manifest.files["model.int8.tflite"] == artifact.manifest.files["model.int8.tflite"]
    assert not (folder / "again" / "toy" / "1.0.0" / "saved_model").exists()
    manifest.verify(folder / "again" / "toy" / "1.0.0")


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
        *("--run-dir", folder / "runs", "--gate", "f1>=1.01", "--json"),
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


def test_full_disk_leaves_no_version(tmp_path: Path) -> None:
    """A limit on the file size stands in for a full disk: the write fails in the same way."""
    data = write_data(tmp_path / "data.jsonl")
    arguments = ("--data", data, "--preset", "tiny", "--name", "toy", "--epochs", 1)
    arguments += ("--labels", "letter,advert")
    arguments += ("--models-dir", tmp_path / "m", "--run-dir", tmp_path / "runs")
    failed = subprocess.run(
        ["bash", "-c", 'ulimit -f 300; exec "$@"', "sh", *command(*arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert failed.returncode == 1
    assert "Traceback" not in failed.stderr
    assert "could not be saved" in failed.stderr
    assert registry.versions(tmp_path / "m") == []
    assert not list((tmp_path / "m").glob("*/*"))


def test_kill_while_saving_leaves_no_version(tmp_path: Path) -> None:
    data, models = write_data(tmp_path / "data.jsonl"), tmp_path / "models"
    arguments = ("--data", data, "--preset", "tiny", "--name", "toy", "--epochs", 1)
    arguments += ("--labels", "letter,advert")
    arguments += ("--run-dir", tmp_path / "runs")
    with subprocess.Popen(
        command(*arguments, "--models-dir", models),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        wait_for_partial(models / "toy", process)
        os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    assert registry.versions(models) == []
    assert not (models / "toy" / "1.0.0").exists()


def wait_for_partial(folder: Path, process: subprocess.Popen[bytes]) -> None:
    """Wait for the first file of an incomplete version."""
    deadline = time.monotonic() + 90
    while not any(folder.glob(".*.partial/*")):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.01)  # the interval between two checks
