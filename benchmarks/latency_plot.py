"""A plot of latency against length from the figures of benchmarks/latency.py."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def plot(figures: dict[str, Any], names: dict[str, str], target: Path) -> None:
    """Write an SVG with one panel per number of threads; both axes are logarithmic."""
    import matplotlib

    matplotlib.use("Agg")
    # Text as text keeps the file small and searchable.
    matplotlib.rcParams["svg.fonttype"] = "none"
    from matplotlib import pyplot

    panels = figures["threads"]
    figure, axes = pyplot.subplots(
        1, len(panels), figsize=(5 * len(panels), 4), sharey=True, squeeze=False
    )
    for axis, (threads, runtimes) in zip(axes[0], panels.items(), strict=True):
        for name, runtime in runtimes.items():
            tokens = [int(tokens) for tokens in runtime["ms"]]
            medians = [times["median"] for times in runtime["ms"].values()]
            width = 2.5 if name == "litert" else 1.2
            axis.plot(tokens, medians, marker=".", linewidth=width, label=names[name])
        axis.set_xscale("log", base=2)
        axis.set_yscale("log")
        axis.set_xticks(tokens, [str(number) for number in tokens])
        axis.set_xlabel("tokens")
        axis.set_title(f"{figures['model']}, {threads} thread{'s' if int(threads) > 1 else ''}")
        axis.grid(alpha=0.3)
    axes[0][0].set_ylabel("milliseconds, median")
    axes[0][0].legend(fontsize=8)
    figure.tight_layout()
    figure.savefig(target, metadata={"Date": None})
