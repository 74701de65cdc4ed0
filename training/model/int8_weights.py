"""Float weights re-created from an int8 model, for a version without its SavedModel."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert.interpreter import Interpreter
from numpy.typing import NDArray

from scoring.runtime.litert import LiteRtRuntime, quiet_stderr
from training.errors import InitialWeightsInvalid
from training.model.architecture import Classifier
from training.model.serving_graph import SCALED_QUERY

Floats = NDArray[np.float32]

# The converter names a constant after the operation that reads it, or, if it has no name of its
# own, after its position among the variables: "unknown", "unknown_0", "unknown_1" and so on.
PREFIX = re.compile(r"^StatefulPartitionedCall/(?:classifier(?:_\d+)*/)?")
POSITION = re.compile(r"^unknown(?:_(\d+))?$")
ENDINGS = {
    "Tensordot/MatMul": "kernel",
    "MatMul": "kernel",
    "BiasAdd": "bias",
    "Add": "bias",
    "Reshape": "gamma",
    "Reshape_1": "beta",
}
# Of the logits of random ids. The int8 model rounds activations as well, which changed a logit by
# at most 0.08 (798 texts, sms-spam/1.0.0); a weight in the wrong place changes it by whole units.
MAX_DIFFERENCE, MAX_RELATIVE_DIFFERENCE = 0.2, 0.05
PROBE_TOKENS = (3, 8, 20, 60, 120)


def load_int8_model(model: Classifier, path: Path) -> None:
    """Assign every weight from the constants of an int8 model that this package converted.

    Weights that were rounded to int8 are multiplied by their scales. Raises InitialWeightsInvalid
    unless all weights are there and the logits of both models agree.
    """
    names = [weight.path.partition("/")[2] for weight in model.weights]
    constants = read_constants(path, names, model.backbone.blocks[0].attention.size)
    missing = [name for name in names if name not in constants]
    if missing:
        count = len(names) - len(missing)
        raise _unusable(path, f"it holds {count} of the {len(names)} weights")
    for weight, name in zip(model.weights, names, strict=True):
        if constants[name].shape != tuple(weight.shape):
            raise _unusable(path, f"its {name} has the shape {constants[name].shape}")
        weight.assign(constants[name])
    check_logits(model, path)


def check_logits(model: Classifier, path: Path) -> None:
    """Raise InitialWeightsInvalid if the logits of both models differ for random token ids."""
    runtime, random = LiteRtRuntime(path), np.random.default_rng(7)
    vocabulary, longest = model.weights[0].shape[0], model.weights[1].shape[0]
    for tokens in PROBE_TOKENS:
        ids = random.integers(1, vocabulary, min(tokens, longest)).astype(np.int32)
        served = runtime.logit(ids)
        exact = float(model(ids[None], masked=False, training=False)[0, 0])
        if abs(served - exact) > MAX_DIFFERENCE + MAX_RELATIVE_DIFFERENCE * abs(served):
            raise _unusable(path, f"its logit is {served:.3f} where theirs is {exact:.3f}")


def read_constants(path: Path, names: list[str], head_size: int) -> Mapping[str, Floats]:
    """Return the constants by the names of weights; `names` are in the order of the model."""
    with quiet_stderr():
        interpreter = Interpreter(model_path=str(path))
    constants = {}
    for tensor in interpreter.get_tensor_details():
        name = weight_name(tensor["name"], names)
        if name is None or name in constants:
            continue
        try:
            values = interpreter.get_tensor(tensor["index"])
        except ValueError:
            # The result of an operation has no value before the model runs.
            continue
        weight = as_weight(values, tensor["quantization_parameters"], name)
        # Versions since the serving graph hold the query's weights multiplied by the scale.
        scaled = f"/{SCALED_QUERY}/" in tensor["name"]
        constants[name] = weight * np.float32(math.sqrt(head_size)) if scaled else weight
    return constants


def weight_name(tensor: str, names: list[str]) -> str | None:
    """Return the weight that a tensor of the int8 model is by its name; None for any other."""
    if position := POSITION.match(tensor):
        index = int(position[1]) + 1 if position[1] else 0
        return names[index] if index < len(names) else None
    for part in tensor.split(";"):
        path = PREFIX.sub("", part).replace(f"/{SCALED_QUERY}/", "/query/")
        for ending, kind in ENDINGS.items():
            if not path.endswith(f"/{ending}"):
                continue
            layers = path.removesuffix(f"/{ending}").split("/")
            # The converter adds a number to the name of each layer.
            unnumbered = [re.sub(r"_\d+$", "", layer) for layer in layers]
            for candidate in (layers, unnumbered):
                if (name := "/".join([*candidate, kind])) in names:
                    return name
    return None


def as_weight(values: NDArray[Any], quantization: Mapping[str, Any], name: str) -> Floats:
    """Return a constant as Keras holds it."""
    weight = dequantize(values, quantization)
    if name.endswith("/kernel"):
        # LiteRT holds a dense layer's kernel as [outputs, inputs].
        return weight.T
    return weight.reshape(-1) if name.endswith(("/gamma", "/beta")) else weight


def dequantize(values: NDArray[Any], quantization: Mapping[str, Any]) -> Floats:
    """Multiply by the scales, of which there is one per tensor or one per channel."""
    scales = quantization["scales"]
    if not len(scales):
        return values.astype(np.float32)
    shape = [1] * values.ndim
    if len(scales) > 1:
        shape[quantization["quantized_dimension"]] = len(scales)
    zero_points = quantization["zero_points"].reshape(shape).astype(np.float32)
    dequantized: Floats = (values.astype(np.float32) - zero_points) * scales.reshape(shape)
    return dequantized


def _unusable(path: Path, problem: str) -> InitialWeightsInvalid:
    return InitialWeightsInvalid(
        f"The weights cannot be re-created from {path}: {problem}; copy the version's saved_model "
        "folder from the machine that trained it, or start with --from-pretrained."
    )
