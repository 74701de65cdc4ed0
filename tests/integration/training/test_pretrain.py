"""Pretraining on unlabelled texts, and training a classifier from the pretrained backbone."""

import json
import random
import subprocess
import sys
from pathlib import Path

import pytest

from scoring.artifact.artifact import Artifact

pytestmark = pytest.mark.slow

SENTENCES = (
    "the kettle is on the stove",
    "we walk to the river at noon",
    "your prize waits at the counter",
    "call the office and claim it now",
)


def run(module: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", module, *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )


def write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pretrain")


@pytest.fixture(scope="module")
def pretrained(folder: Path) -> dict[str, object]:
    draw = random.Random(3)
    rows: list[dict[str, object]] = [
        {"text": f"{draw.choice(SENTENCES)} {draw.choice(SENTENCES)} number{n % 40}"}
        for n in range(400)
    ]
    rows.append({"text": "zebra zebra zebra", "split": "test"})
    process = run(
        "training.pretrain",
        *("--data", write(folder / "texts.jsonl", rows), "--out", folder / "backbone"),
        *("--preset", "tiny", "--steps", 150, "--run-dir", folder / "runs", "--json"),
    )
    assert process.returncode == 0, process.stderr
    return dict(json.loads(process.stdout))


def test_masked_tokens_are_predicted_better_than_by_chance(pretrained: dict[str, float]) -> None:
    """The cross-entropy of a uniform guess over a hundred pieces is 4.6 nats."""
    assert pretrained["validation_loss"] < 2.5
    assert pretrained["steps"] == 150


def test_folder_is_a_checkpoint_without_words_of_the_test_split(
    folder: Path, pretrained: dict[str, object]
) -> None:
    files = {path.name for path in (folder / "backbone").iterdir()}
    assert files == {"config.json", "model.safetensors", "tokenizer.json"}
    assert "zebra" not in (folder / "backbone" / "tokenizer.json").read_text()


def test_classifier_starts_from_the_backbone(folder: Path, pretrained: dict[str, object]) -> None:
    rows: list[dict[str, object]] = [
        {"text": f"{SENTENCES[2 * (n % 2)]} number{n % 40} {n}", "label": n % 2} for n in range(200)
    ]
    process = run(
        "training",
        *("--data", write(folder / "labelled.jsonl", rows), "--preset", "tiny"),
        *("--from", folder / "backbone", "--name", "toy", "--models-dir", folder / "m"),
        *("--run-dir", folder / "runs", "--labels", "letter,advert", "--json"),
    )
    # 3 if a gate fails.
    assert process.returncode in (0, 3), process.stderr
    assert json.loads(process.stdout)["measured"]["int8"]["f1"] > 0.95
    artifact = Artifact.load(folder / "m" / "toy" / "1.0.0")
    assert (
        "| initial weights | backbone (weights " in (artifact.folder / "MODEL_CARD.md").read_text()
    )
    vocabulary = json.loads((folder / "backbone" / "config.json").read_text())["vocab_size"]
    assert artifact.config.architecture["vocabulary"] == vocabulary


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        ([{"text": "a"}] * 200, (), "There are 1 different texts; pretraining needs at least 100."),
        ([{"body": "a"}], (), "has no column 'text'"),
        ([{"text": " "}], (), "contains no non-empty text"),
        ([{"text": "a"}], ("--preset", "huge"), "Unknown preset 'huge'"),
    ],
)
def test_invalid_input_is_reported_in_one_sentence(
    tmp_path: Path, rows: list[dict[str, object]], options: tuple[str, ...], sentence: str
) -> None:
    data = write(tmp_path / "texts.jsonl", rows)
    failed = run("training.pretrain", "--data", data, "--out", tmp_path / "out", *options)
    assert failed.returncode == 1
    assert sentence in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    failed = run("training.pretrain", "--data", tmp_path / "none.csv", "--out", tmp_path)
    assert failed.returncode == 1
    assert "exists already" in failed.stderr
