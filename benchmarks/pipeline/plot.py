"""A plot of throughput against the number of workers, from the figures of the part growth.

.venv/bin/python -m benchmarks.pipeline.plot FIGURES.json docs/throughput.svg
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def plot(figures: dict[str, Any], target: Path) -> None:
    """Write an SVG: per message size, jobs per second relative to one worker."""
    import matplotlib

    matplotlib.use("Agg")
    # Text as text keeps the file small and searchable.
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    figure, axis = pyplot.subplots(figsize=(5, 4))
    counts = sorted({case["workers"] for case in figures.values()})
    axis.plot(counts, counts, linestyle="--", color="gray", label="linear")
    for size in sorted({case["message_size"] for case in figures.values()}):
        cases = [case for case in figures.values() if case["message_size"] == size]
        speedup = [case["of_linear"] * case["workers"] for case in cases]
        label = f"{size} text{'s' if size > 1 else ''} per message"
        axis.plot([case["workers"] for case in cases], speedup, marker="o", label=label)
    axis.set_xticks(counts)
    axis.set_xlabel("workers")
    axis.set_ylabel("jobs per second, relative to one worker")
    axis.grid(alpha=0.3)
    axis.legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})


if __name__ == "__main__":
    document = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    plot(document["figures"]["growth"], Path(sys.argv[2]))
