"""Pretraining on unlabelled texts, and what a run that starts from it gets."""

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
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pretrain")


@pytest.fixture(scope="module")
def pretrained(workplace: Path) -> dict[str, object]:
    draw = random.Random(3)
    rows: list[dict[str, object]] = [
        {"text": f"{draw.choice(SENTENCES)} {draw.choice(SENTENCES)} number{n % 40}"}
        for n in range(400)
    ]
    rows.append({"text": "zebra zebra zebra", "split": "test"})
    done = run(
        "training.pretrain",
        *("--data", write(workplace / "texts.jsonl", rows), "--out", workplace / "backbone"),
        *("--preset", "tiny", "--steps", 150, "--run-dir", workplace / "runs", "--json"),
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_hidden_words_are_told_far_better_than_by_chance(pretrained: dict[str, float]) -> None:
    """A uniform guess over a hundred pieces costs 4.6 nats."""
    assert pretrained["validation_loss"] < 2.5
    assert pretrained["steps"] == 150


def test_the_folder_is_a_checkpoint_and_knows_nothing_of_the_test_split(
    workplace: Path, pretrained: dict[str, object]
) -> None:
    files = {path.name for path in (workplace / "backbone").iterdir()}
    assert files == {"config.json", "model.safetensors", "tokenizer.json"}
    assert "zebra" not in (workplace / "backbone" / "tokenizer.json").read_text()


def test_a_classifier_starts_from_it(workplace: Path, pretrained: dict[str, object]) -> None:
    rows: list[dict[str, object]] = [
        {"text": f"{SENTENCES[2 * (n % 2)]} number{n % 40} {n}", "label": n % 2} for n in range(200)
    ]
    done = run(
        "training",
        *("--data", write(workplace / "labelled.jsonl", rows), "--preset", "tiny"),
        *("--from", workplace / "backbone", "--name", "toy", "--models-dir", workplace / "m"),
        *("--run-dir", workplace / "runs", "--labels", "letter,advert", "--json"),
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["measured"]["int8"]["f1"] > 0.95
    made = Artifact.load(workplace / "m" / "toy" / "1.0.0")
    assert "| start | backbone (weights " in (made.folder / "MODEL_CARD.md").read_text()
    vocabulary = json.loads((workplace / "backbone" / "config.json").read_text())["vocab_size"]
    assert made.config.architecture["vocabulary"] == vocabulary


@pytest.mark.parametrize(
    ("rows", "options", "sentence"),
    [
        ([{"text": "a"}] * 200, (), "There are 1 different texts, and at least 100 are needed."),
        ([{"body": "a"}], (), "has no column 'text'"),
        ([{"text": " "}], (), "holds no text that is not empty"),
        ([{"text": "a"}], ("--preset", "huge"), "There is no preset 'huge'"),
    ],
)
def test_bad_input_is_one_sentence(
    tmp_path: Path, rows: list[dict[str, object]], options: tuple[str, ...], sentence: str
) -> None:
    data = write(tmp_path / "texts.jsonl", rows)
    failed = run("training.pretrain", "--data", data, "--out", tmp_path / "out", *options)
    assert failed.returncode == 1
    assert sentence in failed.stderr
    assert failed.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_is_there_is_left_alone(tmp_path: Path) -> None:
    failed = run("training.pretrain", "--data", tmp_path / "none.csv", "--out", tmp_path)
    assert failed.returncode == 1
    assert "is there already" in failed.stderr
