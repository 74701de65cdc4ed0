"""The columns of a sample as `plumbline results --sample` writes it and `plumbline label` reads it.

The label is empty; the model's own answer has another name, so that nobody returns it unread.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from plumbline.cli.output.exports import Layout
from storage.jobs.samples import SampledText
from storage.states import Sampling

COLUMNS = (
    "job_id",
    "source",
    "key",
    "text",
    "label",
    "predicted_label",
    "probability",
    "confidence",
    "decision",
    "unfamiliarity",
    "model",
    "scored_at",
    "sampling",
)


def sample_layout(sampling: Sampling) -> Layout[SampledText]:
    def values(row: SampledText) -> dict[str, Any]:
        known = asdict(row) | {"label": None, "sampling": str(sampling)}
        return {column: known[column] for column in COLUMNS}

    return Layout(COLUMNS, values, "sample")
