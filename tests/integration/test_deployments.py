"""Which version serves, and which did, on a real PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy import Engine, select

from storage import deployments
from storage.tables import ModelVersion


def promote(engine: Engine, model: str, manifest_sha256: str = "aa") -> None:
    with engine.begin() as connection:
        deployments.promote(
            connection,
            model,
            manifest_sha256=manifest_sha256,
            metrics={"int8": {"f1": 0.97}},
            deployed_by="ann",
            reason=f"try {model}",
        )


def promote_first(engine: Engine, model: str) -> bool:
    with engine.begin() as connection:
        return deployments.promote_first(connection, model, manifest_sha256="aa", metrics={})


def test_before_the_first_deployment_nothing_serves(engine: Engine) -> None:
    with engine.connect() as connection:
        assert deployments.live_model(connection) is None
        assert deployments.previous_model(connection) is None
        assert deployments.history(connection) == []


def test_what_was_promoted_last_serves(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    promote(engine, "m/1.1.0")
    with engine.connect() as connection:
        assert deployments.live_model(connection) == "m/1.1.0"
        assert deployments.previous_model(connection) == "m/1.0.0"


def test_promoting_what_serves_already_leaves_the_previous_one(engine: Engine) -> None:
    for model in ("m/1.0.0", "m/1.1.0", "m/1.1.0"):
        promote(engine, model)
    with engine.connect() as connection:
        assert deployments.previous_model(connection) == "m/1.0.0"


def test_the_history_tells_who_and_why_newest_first(engine: Engine) -> None:
    for model in ("m/1.0.0", "m/1.1.0", "m/1.0.0"):
        promote(engine, model)
    with engine.connect() as connection:
        history = deployments.history(connection, limit=2)
    assert [(d.model, d.deployed_by, d.reason) for d in history] == [
        ("m/1.0.0", "ann", "try m/1.0.0"),
        ("m/1.1.0", "ann", "try m/1.1.0"),
    ]
    assert history[0].deployed_at >= history[1].deployed_at


def test_a_version_is_registered_once_with_its_newest_manifest(engine: Engine) -> None:
    promote(engine, "m/1.0.0", "aa")
    promote(engine, "m/1.0.0", "bb")
    with engine.connect() as connection:
        rows = connection.execute(select(ModelVersion.model, ModelVersion.manifest_sha256)).all()
    assert [tuple(row) for row in rows] == [("m/1.0.0", "bb")]


def test_only_the_first_start_promotes_the_default(engine: Engine) -> None:
    assert promote_first(engine, "m/1.0.0")
    assert not promote_first(engine, "m/1.1.0")
    with engine.connect() as connection:
        assert deployments.live_model(connection) == "m/1.0.0"


def test_of_workers_that_start_at_once_one_promotes(engine: Engine) -> None:
    at_once = threading.Barrier(4)

    def start(_: int) -> bool:
        at_once.wait()
        return promote_first(engine, "m/1.0.0")

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(start, range(4))) == 1
    with engine.connect() as connection:
        assert len(deployments.history(connection)) == 1
