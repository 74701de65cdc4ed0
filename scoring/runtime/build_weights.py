"""Builds or verifies a file of packed weights, each in a process of its own.

The process that builds never scores, because its logits can be wrong; the one that verifies never
builds.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

BUILD, VERIFY = "build", "verify"
# In this order, since a wrong answer depends on the lengths before. The longest one is added.
LENGTHS = (16, 40, 3, 33, 128, 17, 2, 64)
# Every vocabulary has so many tokens.
TOKENS = 50


def build(model: Path, target: Path) -> None:
    from scoring.runtime.mapped_model import load

    # The file is complete once the model is loaded.
    load(model, target, threads=1)


def verify(model: Path, weights: Path, max_tokens: int) -> None:
    """Exit with a message unless the logits are those of the model without this file."""
    from scoring.runtime.litert import FAILURES, InterpretedModel
    from scoring.runtime.mapped_model import MappedModel, WeightsChanged

    try:
        plain = InterpretedModel(model, threads=1)
        mapped, parallel = (MappedModel(model, weights, threads) for threads in (1, 2))
        for length in (*(n for n in LENGTHS if n < max_tokens), max_tokens):
            token_ids = (np.arange(length, dtype=np.int32) * 7) % TOKENS
            expected = plain.run(token_ids)
            # The longest input takes most of the time, and once is enough.
            for checked in (mapped,) if length == max_tokens else (mapped, parallel):
                if (logit := checked.run(token_ids)) != expected:
                    raise SystemExit(f"at {length} tokens, {logit} instead of {expected}")
    except (WeightsChanged, *FAILURES) as error:
        raise SystemExit(f"{type(error).__name__}: {' '.join(str(error).split())}") from error


if __name__ == "__main__":
    command, model_path, weights_path, *rest = sys.argv[1:]
    if command == BUILD:
        build(Path(model_path), Path(weights_path))
    else:
        verify(Path(model_path), Path(weights_path), int(rest[0]))
