"""Which names are refused to a session and to a message, on a real PostgreSQL."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from storage import labellers, sources
from storage.database import connect
from storage.labellers import Grant
from storage.states import GranteeKind
from tests.roles import grant_use, role


@pytest.fixture
def granted(engine: Engine) -> Engine:
    """The source `helpdesk` may label as `support`, and `billing` is bound."""
    with engine.begin() as connection:
        labellers.grant(connection, Grant("support", GranteeKind.SOURCE, "helpdesk"), "ann")
        sources.bind(connection, "billing", "ann", role="billing", queue=False)
    return engine


@pytest.mark.parametrize(
    ("names", "sender", "refused"),
    [
        (["ann", "default"], None, None),
        (["ann", "support"], None, "support"),
        (["billing"], None, "billing"),
        (["helpdesk", "support"], "helpdesk", None),
        (["ann"], "helpdesk", "ann"),
        (["support"], "billing", "support"),
        (["billing"], "billing", None),
        ([], None, None),
    ],
)
def test_a_message_uses_names_of_nobody_or_those_of_its_list(
    granted: Engine, names: list[str], sender: str | None, refused: str | None
) -> None:
    with granted.connect() as connection:
        assert labellers.refused_to_message(connection, names, sender) == refused


def test_a_session_uses_the_name_of_its_login(granted: Engine, database_url: str) -> None:
    with granted.connect() as connection:
        # The owner of the tables may use every name.
        assert labellers.refused_to_session(connection, ["support", "ann"]) is None
        assert labellers.own_name(connection, "ann") == "ann"
    with role(database_url) as (name, url):
        grant_use(database_url, name)
        own = connect(url)
        with own.connect() as connection:
            assert labellers.refused_to_session(connection, [name]) is None
            assert labellers.refused_to_session(connection, [name, "support"]) == "support"
            assert labellers.own_name(connection, "ann") == name
            assert connection.execute(text("SELECT plumbline.is_operator()")).scalar_one() is False
        own.dispose()
