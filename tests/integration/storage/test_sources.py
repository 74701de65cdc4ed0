"""What operators bind sources to, on a real PostgreSQL."""

from __future__ import annotations

from sqlalchemy import Engine

from storage import sources
from storage.sources import Binding


def test_a_source_is_bound_and_released_step_by_step(engine: Engine) -> None:
    with engine.begin() as connection:
        assert sources.binding_of(connection, "billing") == Binding(False, False, False)
        sources.bind(connection, "billing", "ann", role="one", queue=False)
        sources.bind(connection, "billing", "ann", role="two", queue=True)
        sources.bind(connection, "billing", "bob", role="two", queue=False)
        (source,) = sources.find_sources(connection)
        assert (source.roles, source.queue, source.changed_by) == (("one", "two"), True, "bob")
        assert sources.binding_of(connection, "billing") == Binding(True, True, False)
        assert sources.unbind(connection, "billing", "ann", "one", queue=False)
        assert sources.unbind(connection, "billing", "ann", None, queue=True)
        assert not sources.unbind(connection, "billing", "ann", "one", queue=True)
        assert sources.binding_of(connection, "billing") == Binding(True, False, False)
        assert sources.unbind(connection, "billing", "eve", None, queue=False)
        assert not sources.unbind(connection, "billing", "ann", None, queue=False)
        assert sources.binding_of(connection, "billing") == Binding(False, False, False)
        # Its list may still hold messages.
        assert sources.listed_sources(connection) == ["billing"]
        assert sources.find_sources(connection)[0].changed_by == "eve"


def test_an_installation_is_closed_and_opened(engine: Engine) -> None:
    with engine.begin() as connection:
        assert not sources.is_closed(connection)
        for closed in (True, True, False):
            sources.set_closed(connection, closed, "ann")
            assert sources.is_closed(connection) is closed
            assert sources.binding_of(connection, "any").closed is closed


def test_a_role_is_looked_up_by_its_exact_name(engine: Engine) -> None:
    with engine.begin() as connection:
        assert sources.role_exists(connection, "plumbline_producer")
        assert not sources.role_exists(connection, "Plumbline_Producer")
        assert not sources.cannot_submit(connection, "plumbline_producer")
        assert sources.cannot_submit(connection, "plumbline_reader")
