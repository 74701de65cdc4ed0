"""Milliseconds to score one text, by its length and runtime: LiteRT as the product runs it, beside
ONNX Runtime, OpenVINO and PyTorch with the same weights.

    .venv/bin/python benchmarks/latency.py [spec | NAME/VERSION] [--peers PYTHON]

The peers come from the extra `bench`, which may be installed in an environment of its own. Each
runtime has a process of its own, and they take turns.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from latency_model import LENGTHS, TEXTS
from latency_plot import plot
from result_file import add_output_option, machine_line, write_result
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
CHECKOUT = HERE.parent
OURS = "litert"
PEERS = {
    "onnxruntime": "ONNX Runtime, int8",
    "onnxruntime-7bit": "ONNX Runtime, int8 with 7-bit weights",
    "openvino": "OpenVINO, int8",
    "openvino-bf16": "OpenVINO, int8 and bf16",
    "pytorch-int8": "PyTorch, int8",
    "pytorch-bf16": "PyTorch, bf16",
}
NAMES = {OURS: "LiteRT, int8"} | PEERS
RUNS, RUNS_PER_TURN = 30, 3
PRESETS = ("spec", "small", "tiny")

# Milliseconds by runtime and tokens.
Times = dict[str, dict[int, list[float]]]


@dataclass
class Runtime:
    """The process that runs a model, serve.py."""

    name: str
    version: str
    process: subprocess.Popen[str]
    # The largest difference from the logits of the float32 network.
    difference: float = 0.0
    times: dict[int, list[float]] = field(default_factory=dict)

    def measure(self, text: dict[str, Any], runs: int) -> None:
        assert self.process.stdin and self.process.stdout
        request = {"token_ids": text["token_ids"], "runs": runs}
        print(json.dumps(request), file=self.process.stdin, flush=True)
        answer = json.loads(self.process.stdout.readline())
        self.times.setdefault(len(text["token_ids"]), []).extend(answer["ms"])
        self.difference = max(self.difference, abs(answer["logit"] - text["logit"]))


def main() -> None:
    options = parse_options()
    console = Console(width=140 if not sys.stdout.isatty() else None, highlight=False)
    folder = prepare(options)
    texts = [
        text
        for text in json.loads((folder / TEXTS).read_text(encoding="utf-8"))
        if len(text["token_ids"]) in options.lengths
    ]
    cores = len(os.sched_getaffinity(0))
    figures: dict[str, Any] = {"model": options.model, "clock": options.clock, "threads": {}}
    for threads in sorted({1, cores}) if options.threads is None else [options.threads]:
        with ExitStack() as stack:
            runtimes = start_all(stack, options, folder, threads, console)
            for done in range(0, options.runs, RUNS_PER_TURN):
                for text in texts:
                    for runtime in runtimes:
                        runtime.measure(text, min(RUNS_PER_TURN, options.runs - done))
        report(console, f"{options.model}, {threads} of {machine_line()}", runtimes)
        figures["threads"][threads] = {runtime.name: summary(runtime) for runtime in runtimes}
    write_result(options.output, figures)
    if options.plot:
        plot(figures, NAMES, options.plot)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", nargs="?", default="spec")
    parser.add_argument("--models-dir", type=Path, default=CHECKOUT / "models")
    parser.add_argument("--cache", type=Path, default=Path("/tmp/plumbline-latency"))
    parser.add_argument("--peers", default=sys.executable, help="Python with the extra `bench`")
    parser.add_argument("--runtimes", nargs="*", default=list(PEERS), choices=list(PEERS))
    parser.add_argument("--lengths", nargs="*", type=int, default=list(LENGTHS))
    parser.add_argument("--threads", type=int, help="default: one, then as many as cores")
    parser.add_argument("--runs", type=int, default=RUNS)
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: processor time, for one thread on a machine with other work",
    )
    parser.add_argument("--plot", type=Path, help="write a plot of the medians to this SVG file")
    add_output_option(parser)
    return parser.parse_args()


def prepare(options: argparse.Namespace) -> Path:
    """Return the folder of the model's files, which are made if they are missing."""
    folder: Path = options.cache / options.model.replace("/", "-")
    if not (folder / TEXTS).exists():
        which = (
            ["--preset", options.model]
            if options.model in PRESETS
            else ["--model", options.model, "--models-dir", str(options.models_dir)]
        )
        run(sys.executable, HERE / "latency_model.py", folder, *which)
    complete = folder / "peers"
    if options.runtimes and has_extra(options.peers) and not complete.exists():
        run(options.peers, HERE / "peers" / "make_models.py", folder)
        complete.touch()
    return folder


def run(python: str, script: Path, *arguments: Any) -> None:
    command = [python, str(script), *map(str, arguments)]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"{script.name} failed: {done.stderr.strip()[-2000:]}")


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(CHECKOUT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def has_extra(python: str) -> bool:
    check = "import torch, onnxruntime, openvino, nncf, onnx, onnxscript"
    return subprocess.run([python, "-c", check], capture_output=True, check=False).returncode == 0


def start_all(
    stack: ExitStack, options: argparse.Namespace, folder: Path, threads: int, console: Console
) -> list[Runtime]:
    names = [OURS, *options.runtimes]
    if len(names) > 1 and not has_extra(options.peers):
        console.print("The extra `bench` is not installed; LiteRT is measured alone.")
        names = [OURS]
    runtimes = []
    for name in names:
        python = sys.executable if name == OURS else options.peers
        started = stack.enter_context(start(python, name, folder, threads, options.clock))
        if isinstance(started, str):
            console.print(f"{NAMES[name]} is left out: {started}.")
        else:
            runtimes.append(started)
    return runtimes


@contextmanager
def start(
    python: str, name: str, folder: Path, threads: int, clock: str
) -> Iterator[Runtime | str]:
    """Yield the running process, or the reason why it cannot run."""
    command = [python, str(HERE / "peers" / "serve.py"), name, str(folder), str(threads), clock]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        text=True,
    ) as process:
        assert process.stdin and process.stdout
        first = json.loads(process.stdout.readline() or '{"error": "it ended"}')
        error = first.get("error")
        yield error or Runtime(name, first["version"], process)
        process.stdin.close()


def report(console: Console, title: str, runtimes: list[Runtime]) -> None:
    ours, peers = runtimes[0], runtimes[1:]
    table = Table("runtime", *map(str, ours.times), "logits differ", title=title)
    for runtime in runtimes:
        cells = [
            f"{statistics.median(times):.1f} / {percentile_99(times):.1f}"
            for times in runtime.times.values()
        ]
        name = f"{NAMES[runtime.name]} ({runtime.version})"
        table.add_row(name, *cells, f"{runtime.difference:.3f}")
    if peers:
        ratios = [
            min(statistics.median(peer.times[tokens]) for peer in peers) / statistics.median(times)
            for tokens, times in ours.times.items()
        ]
        table.add_row("best peer / LiteRT", *(f"{ratio:.2f}" for ratio in ratios))
    console.print(table)
    console.print("Median / 99th percentile of milliseconds, by tokens.")


def summary(runtime: Runtime) -> dict[str, Any]:
    return {
        "version": runtime.version,
        "logits_differ": runtime.difference,
        "ms": {
            tokens: {
                "median": statistics.median(times),
                "p99": percentile_99(times),
                "lowest": min(times),
                "runs": len(times),
            }
            for tokens, times in runtime.times.items()
        },
    }


def percentile_99(times: list[float]) -> float:
    """The 99th percentile; of fewer than 100 runs, the slowest."""
    return sorted(times)[min(len(times) - 1, int(0.99 * len(times)))]


if __name__ == "__main__":
    main()
