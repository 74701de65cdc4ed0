"""Times one runtime: PYTHON THIS RUNTIME FOLDER THREADS CLOCK, with the clock "wall" or "cpu".

Reads a JSON line per request, {"token_ids": [...], "runs": n}, and answers with one,
{"ms": [...], "logit": x}. The first line answers whether the runtime could be loaded.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np

from benchmarks.result_file import machine

MAX_TOKENS = 512
CLOCKS = {"wall": perf_counter, "cpu": process_time}

Logit = Callable[[Any], float]


def litert(folder: Path, threads: int) -> Logit:
    """LiteRT with packed weights from a mapped file, as workers run it."""
    from scoring.runtime.litert import LiteRtRuntime
    from scoring.runtime.shared_weights import SharedWeights

    model, shared = folder / "model.int8.tflite", folder / "shared"
    shared.mkdir(mode=0o700, exist_ok=True)
    sha256 = hashlib.sha256(model.read_bytes()).hexdigest()
    runtime = LiteRtRuntime(model, SharedWeights(shared).find_or_build(model, sha256, MAX_TOKENS))
    return lambda ids: runtime.logit(ids, threads)


def onnxruntime(folder: Path, threads: int, file: str = "model.onnxruntime.onnx") -> Logit:
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = ort.InferenceSession(str(folder / file), options, providers=["CPUExecutionProvider"])
    return lambda ids: float(session.run(None, {"token_ids": ids[None].astype(np.int64)})[0][0, 0])


def openvino(folder: Path, threads: int, precision: str = "f32") -> Logit:
    import openvino as ov

    core = ov.Core()
    if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
        raise NotImplementedError("this processor has no bfloat16 instructions")
    compiled = core.compile_model(
        core.read_model(folder / "model.openvino.xml"),
        "CPU",
        {
            "INFERENCE_NUM_THREADS": threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": precision,
        },
    )
    request = compiled.create_infer_request()
    return lambda ids: float(request.infer([ids[None].astype(np.int64)])[0][0, 0])


def openvino_bf16(folder: Path, threads: int) -> Logit:
    return openvino(folder, threads, "bf16")


def pytorch(folder: Path, threads: int, kind: str) -> Logit:
    import torch
    from make_models import read_network

    if kind == "bf16" and not {"avx512_bf16", "amx_bf16"} & set(machine()["flags"]):
        # PyTorch would convert every product, which takes minutes.
        raise NotImplementedError("this processor has no bfloat16 instructions")
    torch.set_num_threads(threads)
    network: Any = read_network(folder)
    if kind == "bf16":
        network = network.to(torch.bfloat16)
    if kind == "int8":
        network = torch.ao.quantization.quantize_dynamic(network, {torch.nn.Linear}, torch.qint8)

    def logit(ids: Any) -> float:
        with torch.inference_mode():
            return float(network(torch.from_numpy(ids[None].astype(np.int64)))[0, 0])

    return logit


RUNTIMES: dict[str, Callable[[Path, int], Logit]] = {
    "litert": litert,
    "onnxruntime": onnxruntime,
    "onnxruntime-7bit": lambda folder, threads: onnxruntime(
        folder, threads, "model.onnxruntime.7bit.onnx"
    ),
    "openvino": openvino,
    "openvino-bf16": openvino_bf16,
    "pytorch-bf16": lambda folder, threads: pytorch(folder, threads, "bf16"),
    "pytorch-int8": lambda folder, threads: pytorch(folder, threads, "int8"),
    "pytorch-float32": lambda folder, threads: pytorch(folder, threads, "float32"),
}


def answer(logit: Logit, token_ids: Any, runs: int, clock: Callable[[], float]) -> dict[str, Any]:
    # The first run prepares a new length.
    value = logit(token_ids)
    durations_ms = []
    for _ in range(runs):
        started = clock()
        value = logit(token_ids)
        durations_ms.append(1000.0 * (clock() - started))
    return {"ms": durations_ms, "logit": value}


def main() -> None:
    name, folder, threads = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    clock = CLOCKS[sys.argv[4]]
    # Libraries print on standard output, which belongs to the answers.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    try:
        logit = RUNTIMES[name](folder, threads)
    except (ImportError, NotImplementedError) as error:
        print(json.dumps({"error": str(error)}), file=answers)
        return
    package = {"litert": "ai-edge-litert", "pytorch": "torch"}.get(name.split("-")[0])
    print(json.dumps({"version": version(package or name.split("-")[0])}), file=answers)
    for line in sys.stdin:
        request = json.loads(line)
        token_ids = np.asarray(request["token_ids"], dtype=np.int32)
        print(json.dumps(answer(logit, token_ids, request["runs"], clock)), file=answers)


if __name__ == "__main__":
    main()
