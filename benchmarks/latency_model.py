"""Makes what benchmarks/latency.py measures, in a process of its own because of TensorFlow.

FOLDER --preset NAME, or FOLDER --model NAME/VERSION --models-dir DIR. Writes the int8 model, its
float32 weights for the peers, and one text per length with its float32 logit.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from training.presets import ModelConfig, find_preset
from training.quiet_import import quiet_import

LENGTHS = (16, 32, 64, 128, 256, 512)
TFLITE, WEIGHTS, TEXTS = "model.int8.tflite", "weights.npz", "texts.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset")
    parser.add_argument("--model", default="")
    parser.add_argument("--models-dir", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    with quiet_import():
        if options.preset:
            model, config = random_model(options.preset, options.folder / TFLITE)
        else:
            model, config = version_model(
                options.models_dir, options.model, options.folder / TFLITE
            )
    weights = {weight.path.partition("/")[2]: weight.numpy() for weight in model.weights}
    np.savez(
        options.folder / WEIGHTS,
        heads=config.heads,
        layer_norm_epsilon=config.layer_norm_epsilon,
        **weights,
    )
    # Last: its presence says that the folder is complete.
    texts = json.dumps(texts_with_logits(model, config))
    (options.folder / TEXTS).write_text(texts, encoding="utf-8")


def random_model(preset: str, target: Path) -> tuple[Any, ModelConfig]:
    """Build a preset's classifier with random weights and convert it."""
    from random_weights import random_classifier

    from training.release.convert import convert_to_int8
    from training.release.export import export_saved_model

    config = find_preset(preset).model
    model = random_classifier(config)
    with tempfile.TemporaryDirectory() as folder:
        export_saved_model(model, config, Path(folder))
        convert_to_int8(Path(folder), target)
    return model, config


def version_model(models_dir: Path, reference: str, target: Path) -> tuple[Any, ModelConfig]:
    """Load a version's weights, which are re-created from int8 if it has no SavedModel."""
    from scoring.artifact.registry import resolve
    from training.model.architecture import build_classifier
    from training.model.initial_weights import version_weights

    shutil.copy(resolve(models_dir, reference) / TFLITE, target)
    weights = version_weights(models_dir, reference)
    assert weights.shape is not None
    model = build_classifier(weights.shape)
    weights.load(model)
    return model, weights.shape


def texts_with_logits(model: Any, config: ModelConfig) -> list[dict[str, Any]]:
    random, texts = np.random.default_rng(3), []
    for length in (length for length in LENGTHS if length <= config.max_tokens):
        ids = random.integers(1, config.vocabulary, (1, length)).astype(np.int32)
        logit = float(model(ids, masked=False, training=False)[0, 0])
        texts.append({"token_ids": ids[0].tolist(), "logit": logit})
    return texts


if __name__ == "__main__":
    main()
