"""Imports that need an optional extra of the distribution."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from plumbline.errors import ExtraMissing


@contextmanager
def extra_needed(feature: str, extra: str) -> Iterator[None]:
    """Raise ExtraMissing, which names the extra to install, if an import in the block fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        raise ExtraMissing(
            f"{feature} needs plumbline-scoring[{extra}], which is not installed: {error}."
        ) from error
