"""What the processes of a node share when they run models: packed weights and cores."""

from __future__ import annotations

import ctypes
import gc
import logging
import os
from functools import partial
from pathlib import Path
from time import monotonic

from plumbline.private_files import create_folder
from plumbline.settings import Settings
from plumbline.system_errors import cause_and_cure
from scoring.artifact.artifact import MODEL, Artifact
from scoring.errors import WeightsUnavailable
from scoring.runtime.cores import free_cores, usable_cores
from scoring.runtime.options import RuntimeOptions
from scoring.runtime.shared_weights import SharedWeights
from worker.pool.in_flight import InFlightTable

log = logging.getLogger(__name__)


def runtime_options(settings: Settings, in_flight: InFlightTable) -> RuntimeOptions:
    """Return how a process of this worker runs models."""
    return RuntimeOptions(
        weights=partial(shared_weights, settings.weights_folder),
        free_cores=partial(cores_for_a_text, in_flight),
    )


def shared_weights(folder: Path | None, artifact: Artifact) -> Path | None:
    """Return the file of packed weights, which is built if necessary; None if there cannot be one.

    Then the process has weights of its own, and scores as well.
    """
    if folder is None:
        return None
    try:
        create_folder(folder)
        return SharedWeights(folder).find_or_build(
            artifact.model_path, artifact.manifest.files[MODEL].sha256, artifact.config.max_tokens
        )
    except WeightsUnavailable as error:
        reason = str(error)
    except OSError as error:
        reason = f"{folder} cannot be created: {cause_and_cure(error)}."
    log.warning("the weights of %s are not shared between processes: %s", artifact.name, reason)
    return None


def release_free_memory() -> None:
    """Return to the system what loading a model needed and does not need any more.

    glibc keeps it, and each child inherits what its parent kept.
    """
    gc.collect()
    # Neither musl nor macOS has the function.
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def cores_for_a_text(in_flight: InFlightTable) -> int:
    """Return how many cores this process may use now: at least its own.

    A sibling with texts needs its core, even if it waits for PostgreSQL just now.
    """
    busy = in_flight.busy_siblings(os.getpid(), monotonic())
    return max(1, min(free_cores(), usable_cores() - busy))
