"""A real worker whose children map one file of packed weights."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Engine

from plumbline_client.client import Client
from tests.waiting import eventually
from tests.workers import start_worker


def test_children_map_the_file_that_the_parent_built_and_score_with_it(
    database_url: str, broker_url: str, engine: Engine, tmp_path: Path
) -> None:
    folder = tmp_path / "weights"
    settings = {"weights_dir": folder}
    with (
        Client(database_url, broker_url) as client,
        start_worker(database_url, broker_url, tmp_path, settings=settings) as worker,
    ):
        (weights,) = folder.glob("*.weights")
        for child in worker.children():
            mapped = Path(f"/proc/{child}/maps")
            eventually(lambda path=mapped: str(weights) in path.read_text(), 60, "not mapped")
        (result,) = client.wait([client.submit("Your parcel is ready").job_id])
        assert result.label is not None
        assert "are not shared" not in worker.log()
