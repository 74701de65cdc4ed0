"""Which tests run in one process if `pytest -n` starts several."""

from __future__ import annotations

from xdist.scheduler import LoadFileScheduling  # type: ignore[import-untyped]

# Their tests import TensorFlow, which takes eight seconds and hundreds of megabytes per process.
TENSORFLOW = "tests/integration/training/"
# These start processes that do.
APART = (TENSORFLOW + "test_run.py", TENSORFLOW + "test_pretrain.py")


class Scheduling(LoadFileScheduling):  # type: ignore[misc]
    """Keeps the tests of a file together, and all that import TensorFlow."""

    def _split_scope(self, nodeid: str) -> str:
        together = nodeid.startswith(TENSORFLOW) and not nodeid.startswith(APART)
        return TENSORFLOW if together else str(super()._split_scope(nodeid))
