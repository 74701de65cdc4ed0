"""How a process runs a model: the weights that it shares and the cores that it may use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scoring.artifact.artifact import Artifact


def own_weights(artifact: Artifact) -> Path | None:
    """Share no weights."""
    return None


def one_core() -> int:
    return 1


@dataclass(frozen=True, slots=True)
class RuntimeOptions:
    """`weights` returns the file of `scoring.runtime.shared_weights` to map; None: map none.

    `free_cores` is called before each long text.
    """

    weights: Callable[[Artifact], Path | None] = own_weights
    free_cores: Callable[[], int] = one_core


ALONE = RuntimeOptions()
