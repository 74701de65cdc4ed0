"""Makes the files that the peers run from a folder's weights.npz, once: PEERS_PYTHON THIS FOLDER.

model.onnx holds the float32 network, model.onnxruntime.onnx ONNX Runtime's dynamic int8,
model.onnxruntime.7bit.onnx the same with weights that its AVX2 kernel cannot saturate, and
model.openvino.xml NNCF's int8 for OpenVINO.
"""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from network import Network, Weights

CALIBRATION_LENGTHS = (8, 16, 32, 64, 128, 256, 512)
CALIBRATION_TEXTS = 28
MAX_TOKENS = 512


def read_network(folder: Path) -> Network:
    weights: Weights = dict(np.load(folder / "weights.npz"))
    heads, epsilon = int(weights["heads"]), float(weights["layer_norm_epsilon"])
    return Network(weights, heads, epsilon).eval()


def main(folder: Path) -> None:
    warnings.simplefilter("ignore")
    network = read_network(folder)
    float32 = folder / "model.onnx"
    example = torch.ones((1, 8), dtype=torch.int64)
    torch.onnx.export(
        network,
        (example,),
        str(float32),
        input_names=["token_ids"],
        output_names=["logit"],
        dynamic_shapes={"token_ids": {1: torch.export.Dim("tokens", min=2, max=MAX_TOKENS)}},
        dynamo=True,
        external_data=False,
    )
    quantize_for_onnx_runtime(float32, folder / "model.onnxruntime.onnx")
    quantize_for_onnx_runtime(float32, folder / "model.onnxruntime.7bit.onnx", reduce_range=True)
    quantize_for_openvino(float32, folder / "model.openvino.xml")


def quantize_for_onnx_runtime(source: Path, target: Path, reduce_range: bool = False) -> None:
    from onnxruntime.quantization import QuantType, quantize_dynamic
    from onnxruntime.quantization.shape_inference import quant_pre_process

    prepared = target.with_suffix(".prepared.onnx")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantize_dynamic(
        str(prepared),
        str(target),
        per_channel=True,
        reduce_range=reduce_range,
        weight_type=QuantType.QInt8,
        op_types_to_quantize=["MatMul", "Gemm", "Gather"],
    )
    prepared.unlink()


def quantize_for_openvino(source: Path, target: Path) -> None:
    import nncf
    import openvino

    model = openvino.Core().read_model(source)
    random, vocabulary = np.random.default_rng(1), int(model_vocabulary(source.parent))
    texts = [
        random.integers(1, vocabulary, (1, CALIBRATION_LENGTHS[n % len(CALIBRATION_LENGTHS)]))
        for n in range(CALIBRATION_TEXTS)
    ]
    quantized = nncf.quantize(
        model,
        nncf.Dataset(texts),
        model_type=nncf.ModelType.TRANSFORMER,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(texts),
    )
    openvino.save_model(quantized, target, compress_to_fp16=False)


def model_vocabulary(folder: Path) -> int:
    with np.load(folder / "weights.npz") as weights:
        return int(weights["backbone/embeddings/token/embeddings"].shape[0])


if __name__ == "__main__":
    main(Path(sys.argv[1]))
