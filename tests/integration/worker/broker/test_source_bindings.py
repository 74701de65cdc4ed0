"""The snapshot of the sources whose lists a worker reads."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import Engine

from storage import sources
from tests.servers import unavailable
from tests.waiting import eventually
from worker.broker import source_bindings
from worker.broker.source_bindings import SourceBindings, bound_sources


@pytest.fixture
def bindings(database_url: str, monkeypatch: pytest.MonkeyPatch) -> SourceBindings:
    monkeypatch.setattr(source_bindings, "REFRESH_EVERY_S", 0.05)
    return SourceBindings(database_url)


def bind(engine: Engine, source: str) -> None:
    with engine.begin() as connection:
        sources.bind(connection, source, "ann", role=None, queue=True)


def test_the_snapshot_follows_what_operators_bind(
    bindings: SourceBindings,
    engine: Engine,
    postgres_server_url: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """While PostgreSQL is away, the last snapshot stays."""
    assert not bindings.sources
    bind(engine, "billing")
    bindings.refresh()
    assert list(bindings.sources) == ["billing"]
    database = str(engine.url.database)
    engine.dispose()
    bindings.start()
    try:
        with caplog.at_level(logging.WARNING), unavailable(postgres_server_url, database):
            eventually(lambda: "are not read" in caplog.text, 30.0, "the outage is not logged")
            assert list(bindings.sources) == ["billing"]
        bind(engine, "archive")
        eventually(
            lambda: list(bindings.sources) == ["archive", "billing"], 30.0, "it does not follow"
        )
    finally:
        bindings.stop()


def test_a_name_that_no_list_can_have_is_left_out(bindings: SourceBindings, engine: Engine) -> None:
    with engine.begin() as connection:
        sources.bind(connection, "two words", "ann", role="billing", queue=False)
    bindings.refresh()
    assert not bindings.sources


def test_a_process_that_reads_no_bindings_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_bindings, "_current", None)
    assert bound_sources() == ()
