"""Which version serves, and which did, on a real PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError

from storage.serving import deployments
from storage.serving.deployments import Serving
from storage.tables import ModelVersion


def promote(
    engine: Engine, model: str, manifest_sha256: str = "aa", *, forced: bool = False
) -> None:
    with engine.begin() as connection:
        deployments.promote(
            connection,
            model,
            manifest_sha256=manifest_sha256,
            metrics={"int8": {"f1": 0.97}},
            deployed_by="ann",
            reason=f"try {model}",
            labels=("ham", "spam"),
            forced=forced,
        )


def promote_first(engine: Engine, model: str) -> bool:
    with engine.begin() as connection:
        return deployments.promote_first(connection, model, manifest_sha256="aa", metrics={})


def shadow(engine: Engine, model: str | None) -> None:
    with engine.begin() as connection:
        if model is not None:
            deployments.register(connection, model, manifest_sha256="aa", metrics={})
        deployments.set_shadow(connection, model, deployed_by="bob", reason="compare")


def canary(engine: Engine, model: str | None, share: float | None = None) -> None:
    with engine.begin() as connection:
        if model is not None:
            deployments.register(connection, model, manifest_sha256="aa", metrics={})
        deployments.set_canary(
            connection, model, share, deployed_by="eve", reason="dare", forced=model is not None
        )


def roll_back(engine: Engine) -> None:
    with engine.begin() as connection:
        deployments.roll_back(connection, deployed_by="ann", reason="regret")


def serving(engine: Engine) -> Serving | None:
    with engine.connect() as connection:
        return deployments.serving(connection)


def previous(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return deployments.previous_model(connection)


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


def test_a_version_is_registered_with_the_names_of_its_labels(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    promote_first(engine, "n/1.0.0")
    with engine.connect() as connection:
        assert connection.execute(select(ModelVersion.labels)).scalars().all() == [["ham", "spam"]]


def test_the_history_tells_which_was_forced(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    promote(engine, "m/1.1.0", forced=True)
    promote(engine, "m/1.0.0")
    with engine.connect() as connection:
        forced = [entry.forced for entry in deployments.history(connection)]
    assert forced == [False, True, False]


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


def test_a_rollback_goes_back_and_again_further_back(engine: Engine) -> None:
    for model in ("a/1.0.0", "b/1.0.0", "c/1.0.0"):
        promote(engine, model)
    roll_back(engine)
    assert serving(engine) == Serving("b/1.0.0")
    assert previous(engine) == "a/1.0.0", "not what was rolled back"
    roll_back(engine)
    assert serving(engine) == Serving("a/1.0.0")
    assert previous(engine) is None


def test_what_was_rolled_back_is_returned_to_only_once_it_was_promoted_again(
    engine: Engine,
) -> None:
    promote(engine, "a/1.0.0")
    promote(engine, "b/1.0.0")
    roll_back(engine)
    promote(engine, "c/1.0.0")
    assert previous(engine) == "a/1.0.0"
    promote(engine, "b/1.0.0")
    promote(engine, "a/1.0.0")
    returned = []
    while previous(engine) is not None:
        roll_back(engine)
        found = serving(engine)
        returned.append(found.live if found else None)
    assert returned == ["b/1.0.0", "c/1.0.0", "a/1.0.0"]


def test_shadow_and_canary_stand_beside_what_is_live(engine: Engine) -> None:
    promote(engine, "a/1.0.0")
    promote(engine, "b/1.0.0")
    shadow(engine, "c/1.0.0")
    canary(engine, "d/1.0.0", 0.1)
    assert serving(engine) == Serving("b/1.0.0", "c/1.0.0", "d/1.0.0", 0.1)
    canary(engine, "c/1.0.0", 0.2)
    assert serving(engine) == Serving("b/1.0.0", "c/1.0.0", "c/1.0.0", 0.2)
    shadow(engine, None)
    assert serving(engine) == Serving("b/1.0.0", None, "c/1.0.0", 0.2)
    canary(engine, None)
    assert serving(engine) == Serving("b/1.0.0")
    assert previous(engine) == "a/1.0.0", "what stood beside it was never live"


@pytest.mark.parametrize("by", ["promotion", "rollback"])
def test_what_goes_live_answers_alone(engine: Engine, by: str) -> None:
    promote(engine, "a/1.0.0")
    promote(engine, "b/1.0.0")
    shadow(engine, "c/1.0.0")
    canary(engine, "c/1.0.0", 0.5)
    if by == "promotion":
        promote(engine, "c/1.0.0")
        assert serving(engine) == Serving("c/1.0.0")
        assert previous(engine) == "b/1.0.0"
    else:
        roll_back(engine)
        assert serving(engine) == Serving("a/1.0.0")


def test_the_history_tells_what_each_changed(engine: Engine) -> None:
    promote(engine, "a/1.0.0", forced=True)
    canary(engine, "b/1.0.0", 0.25)
    shadow(engine, "c/1.0.0")
    promote(engine, "b/1.0.0")
    roll_back(engine)
    with engine.connect() as connection:
        history = deployments.history(connection)
    found = [
        (d.action, d.model, d.shadow, d.canary, d.canary_share, d.forced, d.deployed_by)
        for d in reversed(history)
    ]
    assert found == [
        ("promote", "a/1.0.0", None, None, None, True, "ann"),
        ("canary", "a/1.0.0", None, "b/1.0.0", 0.25, True, "eve"),
        ("shadow", "a/1.0.0", "c/1.0.0", "b/1.0.0", 0.25, False, "bob"),
        ("promote", "b/1.0.0", None, None, None, False, "ann"),
        ("rollback", "a/1.0.0", None, None, None, False, "ann"),
    ]


@pytest.mark.parametrize(
    ("model", "share"),
    [("a/1.0.0", 0.5), ("b/1.0.0", 0.0), ("b/1.0.0", 1.0), ("b/1.0.0", None), (None, 0.5)],
)
def test_a_canary_without_a_share_of_its_own_cannot_be_written(
    engine: Engine, model: str | None, share: float | None
) -> None:
    promote(engine, "a/1.0.0")
    with pytest.raises(IntegrityError):
        canary(engine, model, share)


def test_a_shadow_of_itself_cannot_be_written(engine: Engine) -> None:
    promote(engine, "a/1.0.0")
    with pytest.raises(IntegrityError):
        shadow(engine, "a/1.0.0")


def test_those_who_deploy_at_once_take_turns(engine: Engine) -> None:
    """Each builds on the one before: none is lost, and a rollback finds all of them."""
    promote(engine, "first/1.0.0")
    at_once = threading.Barrier(4)

    def deploy(number: int) -> None:
        at_once.wait()
        promote(engine, f"m{number}/1.0.0")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(deploy, range(4)))
    returned = set()
    while previous(engine) is not None:
        roll_back(engine)
        found = serving(engine)
        returned.add(found.live if found else None)
    assert len(returned) == 4 and "first/1.0.0" in returned
