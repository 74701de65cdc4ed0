"""How close the serving graph and its int8 model come to the training graph.

    .venv/bin/python benchmarks/serving_graph.py --data FILE [--model NAME/VERSION --models-dir DIR]
    .venv/bin/python benchmarks/serving_graph.py --preset spec

Converts the weights of a version (re-created from int8 if it has no SavedModel) with the current
serving graph and scores the test split of FILE with four models: training graph and serving graph
in float32, the new int8 model, and the version's own int8 model. With a preset, random weights
score random token ids in float32. Needs TensorFlow.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from result_file import add_output_option, write_result
from rich.console import Console
from rich.table import Table

from scoring.runtime.litert import LiteRtRuntime
from scoring.scorer import Scorer
from training.data.examples import read_examples
from training.data.splits import split_examples
from training.presets import find_preset
from training.quiet_import import quiet_import

MODELS = Path(__file__).resolve().parent.parent / "models"
LENGTHS = (16, 32, 64, 128, 256, 512)
PACKAGES = ("ai-edge-litert", "tensorflow-cpu", "keras")

Ids = NDArray[np.int32]
Logits = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="sms-spam/1.0.0")
    parser.add_argument("--models-dir", type=Path, default=MODELS)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--preset")
    add_output_option(parser)
    options = parser.parse_args()
    if options.preset:
        figures = compare_preset(options.preset)
    elif options.data:
        figures = compare_version(options.models_dir, options.model, options.data)
    else:
        parser.error("give --data FILE, or --preset NAME")
    write_result(options.output, figures, PACKAGES)


def compare_preset(preset: str) -> dict[str, Any]:
    """Compare both graphs in float32 with random weights that make logits depend on the text."""
    with quiet_import():
        from random_weights import random_classifier

        from training.release.export import ServingModule
    model = random_classifier(find_preset(preset).model)
    serving, random = ServingModule(model), np.random.default_rng(1)
    vocabulary = model.backbone.embeddings.token.embeddings.shape[0]
    differences = {}
    for length in LENGTHS:
        ids = random.integers(1, vocabulary, (1, length)).astype(np.int32)
        expected = float(model(ids, masked=False, training=False)[0, 0])
        differences[length] = abs(float(serving.serve(ids)["logit"][0, 0]) - expected)
    table = Table(*map(str, LENGTHS), title=f"{preset}: float32 logits differ, by tokens")
    table.add_row(*(f"{difference:.1e}" for difference in differences.values()))
    Console().print(table)
    return {"preset": preset, "differences": differences}


def compare_version(models_dir: Path, reference: str, data: Path) -> dict[str, Any]:
    """Compare four models on the test split; decisions are those of the version's threshold."""
    with quiet_import():
        import tensorflow as tf

        from training.model.architecture import build_classifier
        from training.model.initial_weights import version_weights
        from training.release.convert import convert_to_int8
        from training.release.export import ServingModule, export_saved_model
    weights = version_weights(models_dir, reference)
    assert weights.shape is not None
    model = build_classifier(weights.shape)
    weights.load(model)
    scorer = Scorer.load(models_dir / (reference if "/" in reference else f"{reference}/1.0.0"))
    texts = token_ids(scorer, data)
    serving = ServingModule(model)
    # Compiled once for all lengths: Keras alone takes a tenth of a second per text.
    training = tf.function(
        lambda ids: model(ids, masked=False, training=False),
        input_signature=[tf.TensorSpec([1, None], tf.int32)],
    )
    with tempfile.TemporaryDirectory() as folder:
        export_saved_model(model, weights.shape, Path(folder) / "saved_model")
        converted = Path(folder) / "model.int8.tflite"
        convert_to_int8(Path(folder) / "saved_model", converted)
        logits: dict[str, Logits] = {
            "training graph, float32": np.array(
                [float(training(ids[None])[0, 0]) for ids in texts]
            ),
            "serving graph, float32": np.array(
                [float(serving.serve(ids[None])["logit"][0, 0]) for ids in texts]
            ),
            "serving graph, int8": served(converted, texts),
            "int8 model of the version": served(scorer.artifact.model_path, texts),
        }
    return report(scorer, f"{weights.name}, {len(texts)} texts of {data.parent.name}", logits)


def token_ids(scorer: Scorer, data: Path) -> list[Ids]:
    tokenizer, config = scorer.artifact.tokenizer, scorer.artifact.config
    return [
        np.asarray(
            tokenizer.wrap(tokenizer.encode(example.text)[: config.max_tokens - 2]), dtype=np.int32
        )
        for example in split_examples(read_examples(data), 0.15).test
    ]


def served(path: Path, texts: list[Ids]) -> Logits:
    runtime = LiteRtRuntime(path)
    return np.array([runtime.logit(ids) for ids in texts])


def report(scorer: Scorer, title: str, logits: dict[str, Logits]) -> dict[str, Any]:
    """Print how each model differs from the first one, and return the figures."""
    config = scorer.artifact.config
    exact, *others = logits
    table = Table(
        "model", "logits differ, mean", "at most", "labels change", "reviews", title=title
    )

    def decisions(values: Logits) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
        positive = 1.0 / (1.0 + np.exp(-values / config.temperature - config.bias))
        return positive >= 0.5, np.maximum(positive, 1.0 - positive) < config.threshold

    figures: dict[str, Any] = {"title": title, "texts": len(logits[exact])}
    for name in others:
        difference = np.abs(logits[name] - logits[exact])
        labels, reviews = (
            int(np.sum(ours != theirs))
            for ours, theirs in zip(decisions(logits[name]), decisions(logits[exact]), strict=True)
        )
        figures[name] = {
            "mean": float(difference.mean()),
            "most": float(difference.max()),
            "labels": labels,
            "reviews": reviews,
        }
        table.add_row(
            name, f"{difference.mean():.2g}", f"{difference.max():.2g}", str(labels), str(reviews)
        )
    Console().print(table)
    return figures


if __name__ == "__main__":
    main()
