"""The commands that get labels of texts whose quality is not known."""

from __future__ import annotations

import shlex

SAMPLE = 50


def labelling_steps(source: str | None) -> str:
    """Return the commands that replace a withheld estimate by labels of a random sample."""
    of_source = "" if source is None else f" --source {shlex.quote(source)}"
    return (
        f"label a random sample: `plumbline results --sample {SAMPLE} --by random{of_source} "
        "--output sample.csv`, fill in its column `label`, then `plumbline label sample.csv`"
    )
