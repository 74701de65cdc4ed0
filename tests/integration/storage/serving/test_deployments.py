"""Deployments on a real PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.exc import IntegrityError

from storage.errors import VersionChanged
from storage.serving import deployments
from storage.serving.deployments import Serving, VersionRecord
from storage.tables import ModelVersion


def promote(
    engine: Engine, model: str, manifest_sha256: str = "aa", *, forced: bool = False
) -> None:
    version = VersionRecord(model, manifest_sha256, {"int8": {"f1": 0.97}}, ("ham", "spam"))
    with engine.begin() as connection:
        deployments.promote(
            connection, version, deployed_by="ann", reason=f"try {model}", forced=forced
        )


def promote_first(engine: Engine, model: str) -> bool:
    with engine.begin() as connection:
        return deployments.promote_first(connection, VersionRecord(model, "aa", {}))


def set_shadow(engine: Engine, model: str | None) -> None:
    with engine.begin() as connection:
        if model is not None:
            deployments.register(connection, VersionRecord(model, "aa", {}))
        deployments.set_shadow(connection, model, deployed_by="bob", reason="compare")


def set_canary(engine: Engine, model: str | None, share: float | None = None) -> None:
    with engine.begin() as connection:
        if model is not None:
            deployments.register(connection, VersionRecord(model, "aa", {}))
        deployments.set_canary(
            connection, model, share, deployed_by="eve", reason="dare", forced=model is not None
        )


def roll_back(engine: Engine) -> None:
    with engine.begin() as connection:
        deployments.roll_back(connection, deployed_by="ann", reason="regret")


def serving(engine: Engine) -> Serving | None:
    with engine.connect() as connection:
        return deployments.serving(connection)


def previous_model(engine: Engine) -> str | None:
    with engine.connect() as connection:
        return deployments.previous_model(connection)


def test_no_version_serves_before_the_first_deployment(engine: Engine) -> None:
    with engine.connect() as connection:
        assert deployments.live_model(connection) is None
        assert deployments.live_since(connection) is None
        assert deployments.previous_model(connection) is None
        assert deployments.history(connection) == []


def test_newest_promoted_version_serves(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    promote(engine, "m/1.1.0")
    with engine.connect() as connection:
        assert deployments.live_model(connection) == "m/1.1.0"
        assert deployments.previous_model(connection) == "m/1.0.0"


def test_version_is_live_since_the_deployment_that_replaced_another_version(
    engine: Engine,
) -> None:
    promote(engine, "a/1.0.0")
    promote(engine, "b/1.0.0")
    promote(engine, "a/1.0.0")
    set_shadow(engine, "b/1.0.0")
    with engine.connect() as connection:
        shadowed, promoted, *_ = deployments.history(connection)
        assert shadowed.deployed_at > promoted.deployed_at
        assert deployments.live_since(connection) == promoted.deployed_at


def test_promoting_the_live_version_keeps_the_previous_one(engine: Engine) -> None:
    for model in ("m/1.0.0", "m/1.1.0", "m/1.1.0"):
        promote(engine, model)
    with engine.connect() as connection:
        assert deployments.previous_model(connection) == "m/1.0.0"


def test_history_records_who_and_why_newest_first(engine: Engine) -> None:
    for model in ("m/1.0.0", "m/1.1.0", "m/1.0.0"):
        promote(engine, model)
    with engine.connect() as connection:
        history = deployments.history(connection, limit=2)
    assert [(d.model, d.deployed_by, d.reason) for d in history] == [
        ("m/1.0.0", "ann", "try m/1.0.0"),
        ("m/1.1.0", "ann", "try m/1.1.0"),
    ]
    assert history[0].deployed_at >= history[1].deployed_at


def test_other_content_of_a_registered_version_is_refused_unless_it_replaces(
    engine: Engine,
) -> None:
    promote(engine, "m/1.0.0", "aa")
    with pytest.raises(VersionChanged):
        promote(engine, "m/1.0.0", "bb")
    with engine.connect() as connection:
        assert deployments.registered_sha256(connection, "m/1.0.0") == "aa"
    other = VersionRecord("m/1.0.0", "bb", {})
    with engine.begin() as connection:
        deployments.register(connection, other, replace=True)
    with engine.connect() as connection:
        rows = connection.execute(select(ModelVersion.model, ModelVersion.manifest_sha256)).all()
    assert [tuple(row) for row in rows] == [("m/1.0.0", "bb")]


def test_version_is_registered_with_the_names_of_its_labels(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    promote_first(engine, "n/1.0.0")
    with engine.connect() as connection:
        assert connection.execute(select(ModelVersion.labels)).scalars().all() == [["ham", "spam"]]
        assert deployments.registered_labels(connection, "m/1.0.0") == ("ham", "spam")
        assert deployments.registered_labels(connection, "absent/1.0.0") is None


def test_history_records_forced_deployments(engine: Engine) -> None:
    promote(engine, "m/1.0.0")
    promote(engine, "m/1.1.0", forced=True)
    promote(engine, "m/1.0.0")
    with engine.connect() as connection:
        forced = [entry.forced for entry in deployments.history(connection)]
    assert forced == [False, True, False]


def test_only_the_first_start_promotes_the_default_version(engine: Engine) -> None:
    assert promote_first(engine, "m/1.0.0")
    assert not promote_first(engine, "m/1.1.0")
    with engine.connect() as connection:
        assert deployments.live_model(connection) == "m/1.0.0"


def test_only_one_of_several_concurrent_starts_promotes(engine: Engine) -> None:
    barrier = threading.Barrier(4)

    def start(_: int) -> bool:
        barrier.wait()
        return promote_first(engine, "m/1.0.0")

    with ThreadPoolExecutor(4) as threads:
        assert sum(threads.map(start, range(4))) == 1
    with engine.connect() as connection:
        assert len(deployments.history(connection)) == 1


def test_each_rollback_goes_further_back(engine: Engine) -> None:
    for model in ("a/1.0.0", "b/1.0.0", "c/1.0.0"):
        promote(engine, model)
    roll_back(engine)
    assert serving(engine) == Serving("b/1.0.0")
    assert previous_model(engine) == "a/1.0.0", "the removed version is not restored"
    roll_back(engine)
    assert serving(engine) == Serving("a/1.0.0")
    assert previous_model(engine) is None


def test_removed_version_is_restored_only_after_it_was_promoted_again(
    engine: Engine,
) -> None:
    promote(engine, "a/1.0.0")
    promote(engine, "b/1.0.0")
    roll_back(engine)
    promote(engine, "c/1.0.0")
    assert previous_model(engine) == "a/1.0.0"
    promote(engine, "b/1.0.0")
    promote(engine, "a/1.0.0")
    restored = []
    while previous_model(engine) is not None:
        roll_back(engine)
        current = serving(engine)
        restored.append(current.live if current else None)
    assert restored == ["b/1.0.0", "c/1.0.0", "a/1.0.0"]


def test_shadow_and_canary_do_not_change_the_live_version(engine: Engine) -> None:
    promote(engine, "a/1.0.0")
    promote(engine, "b/1.0.0")
    set_shadow(engine, "c/1.0.0")
    set_canary(engine, "d/1.0.0", 0.1)
    assert serving(engine) == Serving("b/1.0.0", "c/1.0.0", "d/1.0.0", 0.1)
    set_canary(engine, "c/1.0.0", 0.2)
    assert serving(engine) == Serving("b/1.0.0", "c/1.0.0", "c/1.0.0", 0.2)
    set_shadow(engine, None)
    assert serving(engine) == Serving("b/1.0.0", None, "c/1.0.0", 0.2)
    set_canary(engine, None)
    assert serving(engine) == Serving("b/1.0.0")
    assert previous_model(engine) == "a/1.0.0", "a canary or a shadow was never live"


@pytest.mark.parametrize("by", ["promotion", "rollback"])
def test_new_live_version_has_no_shadow_and_no_canary(engine: Engine, by: str) -> None:
    promote(engine, "a/1.0.0")
    promote(engine, "b/1.0.0")
    set_shadow(engine, "c/1.0.0")
    set_canary(engine, "c/1.0.0", 0.5)
    if by == "promotion":
        promote(engine, "c/1.0.0")
        assert serving(engine) == Serving("c/1.0.0")
        assert previous_model(engine) == "b/1.0.0"
    else:
        roll_back(engine)
        assert serving(engine) == Serving("a/1.0.0")


def test_history_records_what_each_deployment_changed(engine: Engine) -> None:
    promote(engine, "a/1.0.0", forced=True)
    set_canary(engine, "b/1.0.0", 0.25)
    set_shadow(engine, "c/1.0.0")
    promote(engine, "b/1.0.0")
    roll_back(engine)
    with engine.connect() as connection:
        history = deployments.history(connection)
    entries = [
        (entry.action, entry.model, entry.shadow, entry.canary, entry.canary_share, entry.forced,
         entry.deployed_by)
        for entry in reversed(history)
    ]  # fmt: skip
    assert entries == [
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
def test_canary_must_be_another_version_with_a_share_between_0_and_1(
    engine: Engine, model: str | None, share: float | None
) -> None:
    promote(engine, "a/1.0.0")
    with pytest.raises(IntegrityError):
        set_canary(engine, model, share)


def test_shadow_must_be_another_version(engine: Engine) -> None:
    promote(engine, "a/1.0.0")
    with pytest.raises(IntegrityError):
        set_shadow(engine, "a/1.0.0")


def test_concurrent_deployments_take_turns(engine: Engine) -> None:
    """Each deployment builds on the one before, so a rollback finds all of them."""
    promote(engine, "first/1.0.0")
    barrier = threading.Barrier(4)

    def deploy(number: int) -> None:
        barrier.wait()
        promote(engine, f"m{number}/1.0.0")

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(deploy, range(4)))
    restored = set()
    while previous_model(engine) is not None:
        roll_back(engine)
        current = serving(engine)
        restored.add(current.live if current else None)
    assert len(restored) == 4 and "first/1.0.0" in restored
