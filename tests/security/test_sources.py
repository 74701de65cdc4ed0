"""Sources and labellers belong to somebody: what a hostile login or producer may and may not do.

It may use sources that nobody bound, in an open installation. It may not use the source of another,
on any path, nor learn which keys that source has, nor speak as another labeller.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import psycopg
import pytest
from psycopg import sql
from psycopg.errors import InsufficientPrivilege, InvalidParameterValue

from plumbline_client import Client
from plumbline_client.errors import DatabaseRefused, JobUnknown
from plumbline_client.identity import keyed_id
from storage import labellers, sources
from storage.database import connect
from storage.labellers import Grant
from storage.schema import SCHEMA
from storage.states import GranteeKind
from storage.tables import Base
from tests.roles import role
from tests.servers import database, execute

ACCEPTED, OPERATOR = "accepted", "operator"
TEXTS = {"billing": "Your invoice 4711 is due", "web": "WINNER!! Claim your prize now"}


@dataclass(frozen=True, slots=True)
class Installation:
    """A database in which the source `billing` is bound to the role `billing`."""

    url: str
    billing: str
    web: str
    billing_role: str
    web_role: str

    def as_(self, url: str, statement: str, **values: Any) -> Any:
        """Run a statement as the role of this URL; return its first value."""
        with psycopg.connect(url, autocommit=True) as connection:
            row = connection.execute(statement, values).fetchone()
            return None if row is None else row[0]

    def operate(self, statement: str, **values: Any) -> Any:
        return self.as_(self.url, statement, **values)

    def submit(self, url: str, text: str, **arguments: Any) -> uuid.UUID:
        names = ", ".join(f"{name} => %({name})s" for name in arguments)
        call = f"SELECT plumbline.submit_v1(%(text)s, {names})"
        return uuid.UUID(str(self.as_(url, call, text=text, **arguments)))

    def label(self, url: str, **arguments: Any) -> str:
        names = ", ".join(f"{name} => %({name})s" for name in arguments)
        return str(self.as_(url, f"SELECT plumbline.label_v1({names})", **arguments))


@pytest.fixture(scope="module")
def installation(postgres_server_url: str, template: str) -> Iterator[Installation]:
    with (
        database(postgres_server_url, template) as url,
        role(url) as (billing_role, billing),
        role(url) as (web_role, web),
    ):
        for name in (billing_role, web_role):
            execute(url, f"GRANT plumbline_producer TO {name}")
        engine = connect(url)
        with engine.begin() as connection:
            sources.bind(connection, "billing", OPERATOR, role=billing_role, queue=False)
        engine.dispose()
        yield Installation(url, billing, web, billing_role, web_role)


def texts(installation: Installation, source: str) -> set[str]:
    with psycopg.connect(installation.url) as connection:
        rows = connection.execute("SELECT text FROM plumbline.jobs WHERE source = %s", [source])
        return {row[0] for row in rows}


def test_a_text_of_another_cannot_vanish_behind_its_key(installation: Installation) -> None:
    """Whoever submitted first under the other's source had its key, and the other's text had no
    row.
    """
    with pytest.raises(InsufficientPrivilege) as refused:
        installation.submit(installation.web, TEXTS["web"], source="billing", key="mail-1")
    role_name = installation.web_role
    assert refused.value.diag.message_primary == (
        f"The role {role_name} may not use the source 'billing'; an operator allows it with "
        f"`plumbline sources bind 'billing' --role '{role_name}'`"
    )
    job = installation.submit(
        installation.billing, TEXTS["billing"], source="billing", key="mail-1"
    )
    assert job == keyed_id("billing", "mail-1")
    assert texts(installation, "billing") == {TEXTS["billing"]}


def test_a_source_of_another_is_refused_on_every_way_in_sql(installation: Installation) -> None:
    """Functions of the client, cancellation, states and results included."""
    job = installation.submit(installation.billing, "See you", source="billing", key="mail-2")
    other = "SELECT count(*) FROM plumbline.{}"
    with (
        Client(installation.web, "redis://127.0.0.1:1", source="billing") as web,
        Client(installation.billing, "redis://127.0.0.1:1", source="billing") as billing,
    ):
        with pytest.raises(DatabaseRefused, match="may not use the source 'billing'") as refused:
            web.submit("mine", key="mail-3")
        assert "the missing right" not in str(refused.value)
        with pytest.raises(JobUnknown):
            web.cancel(job)
        assert web.result(job) is None
        assert billing.submit("See you", key="mail-2").job_id == job
        assert billing.cancel(job).cancelled
    for function in ("states_v1", "results_v1"):
        call = other.format(f"{function}(%(ids)s)")
        assert installation.as_(installation.web, call, ids=[job]) == 0
        assert installation.as_(installation.billing, call, ids=[job]) == 1


def test_keys_of_another_cannot_be_probed(installation: Installation) -> None:
    """A key that exists and one that does not have the same answer."""
    job = installation.submit(installation.billing, "probed", source="billing", key="exists")
    answers = set()
    for key in ("exists", "absent"):
        for statement in (
            "SELECT plumbline.submit_v1('x', key => %(key)s, source => 'billing')",
            "SELECT plumbline.label_v1(key => %(key)s, source => 'billing', label => '1')",
        ):
            with pytest.raises(InsufficientPrivilege) as refused:
                installation.as_(installation.web, statement, key=key)
            answers.add(refused.value.diag.message_primary)
    assert len(answers) == 1
    for job_id in (job, keyed_id("billing", "absent")):
        for label in ("1", "nonsense"):
            assert installation.label(installation.web, job=job_id, label=label) == "unknown_job"
        cancelled = "SELECT count(*) FROM plumbline.cancel_v1(%(job)s)"
        assert installation.as_(installation.web, cancelled, job=job_id) == 0


def test_another_role_is_not_a_disguise(installation: Installation) -> None:
    """The login counts: neither SET ROLE nor a function of its own changes who is asking."""
    call = "SELECT plumbline.submit_v1('x', source => 'billing')"
    with psycopg.connect(installation.web, autocommit=True) as connection:
        connection.execute("SET ROLE plumbline_producer")
        with pytest.raises(InsufficientPrivilege):
            connection.execute(call)
        for disguise in ("SET ROLE ", "SET SESSION AUTHORIZATION "):
            with pytest.raises(InsufficientPrivilege):
                connection.execute(disguise + installation.billing_role)
    with psycopg.connect(installation.url, autocommit=True) as owner:
        owner.execute(
            f"GRANT CREATE ON DATABASE {owner.info.dbname} TO {installation.billing_role}"
        )
    with psycopg.connect(installation.billing, autocommit=True) as billing:
        billing.execute("CREATE SCHEMA shared")
        billing.execute(
            "CREATE FUNCTION shared.lend() RETURNS uuid LANGUAGE sql SECURITY DEFINER "
            f"AS $${call}$$"
        )
        billing.execute("GRANT USAGE ON SCHEMA shared TO PUBLIC")
    with pytest.raises(InsufficientPrivilege):
        installation.as_(installation.web, "SELECT shared.lend()")
    assert installation.as_(installation.billing, "SELECT shared.lend()") is not None


def test_members_of_the_role_and_operators_may_use_a_source(installation: Installation) -> None:
    """Membership counts with and without inheritance; a role that was dropped counts for nobody."""
    with (
        role(installation.url) as (member, member_url),
        role(installation.url) as (gone, gone_url),
    ):
        for name in (member, gone):
            execute(installation.url, f"GRANT plumbline_producer TO {name}")
        execute(installation.url, f"ALTER ROLE {member} NOINHERIT")
        execute(installation.url, f"GRANT {installation.billing_role} TO {member}")
        execute(installation.url, f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA plumbline TO {member}")
        execute(installation.url, f"GRANT USAGE ON SCHEMA plumbline TO {member}")
        assert installation.submit(member_url, "of a member", source="billing")
        assert installation.submit(installation.url, "of an operator", source="billing")
        engine = connect(installation.url)
        with engine.begin() as connection:
            sources.bind(connection, "archive", OPERATOR, role="never_created", queue=False)
        engine.dispose()
        with pytest.raises(InsufficientPrivilege):
            installation.submit(gone_url, "of nobody", source="archive")
        assert installation.submit(gone_url, "of everybody", source="archive ")


def test_a_source_bound_to_its_list_alone_is_refused_in_sql(installation: Installation) -> None:
    engine = connect(installation.url)
    with engine.begin() as connection:
        sources.bind(connection, "gateway", OPERATOR, role=None, queue=True)
    with pytest.raises(InsufficientPrivilege):
        installation.submit(installation.web, "x", source="gateway")
    with engine.begin() as connection:
        sources.bind(connection, "gateway", OPERATOR, role=installation.web_role, queue=False)
    assert installation.submit(installation.web, "x", source="gateway")
    with engine.begin() as connection:
        assert sources.unbind(connection, "gateway", OPERATOR, installation.web_role, queue=False)
        assert not sources.unbind(connection, "gateway", OPERATOR, "nobody", queue=False)
        assert sources.binding_of(connection, "gateway").queue
        assert sources.unbind(connection, "gateway", OPERATOR, None, queue=False)
    engine.dispose()
    assert installation.submit(installation.web, "y", source="gateway")


def test_a_closed_installation_refuses_sources_that_are_not_bound(
    installation: Installation,
) -> None:
    engine = connect(installation.url)
    with engine.begin() as connection:
        sources.set_closed(connection, True, OPERATOR)
    try:
        for source in ("default", "web", "billing"):
            with pytest.raises(InsufficientPrivilege):
                installation.submit(installation.web, "x", source=source)
        assert installation.submit(installation.billing, "x", source="billing")
        assert installation.submit(installation.url, "x", source="web")
    finally:
        with engine.begin() as connection:
            sources.set_closed(connection, False, OPERATOR)
        engine.dispose()
    assert installation.submit(installation.web, "x", source="web")


def test_a_producer_sees_and_changes_nothing_by_table(installation: Installation) -> None:
    changes = ("DELETE FROM {}", "INSERT INTO {} DEFAULT VALUES")
    tables = [table.name for table in Base.metadata.sorted_tables]
    with psycopg.connect(installation.web, autocommit=True) as connection:
        for relation in (*tables, "results", "quality"):
            name = sql.Identifier(SCHEMA, relation)
            for statement in ("SELECT FROM {}", *(changes if relation in tables else ())):
                with pytest.raises(InsufficientPrivilege, match="permission denied for"):
                    connection.execute(sql.SQL(statement).format(name))


# Labels


def recorded(installation: Installation, job: uuid.UUID) -> dict[str, tuple[int, str | None]]:
    with psycopg.connect(installation.url) as connection:
        rows = connection.execute(
            "SELECT source, label, recorded_by FROM plumbline.labels WHERE job_id = %s", [job]
        )
        return {row[0]: (row[1], row[2]) for row in rows}


def test_a_login_labels_under_its_own_name(installation: Installation) -> None:
    """It cannot write or replace a label of somebody else, neither a person's nor a role's."""
    job = installation.submit(installation.web, "to label", source="web", key="label-1")
    assert installation.label(installation.url, job=job, label="1", said_by="ann") == ACCEPTED
    for name in ("ann", installation.billing_role, "plumbline_producer", "x" * 200):
        with pytest.raises(InsufficientPrivilege, match="may not label as"):
            installation.label(installation.web, job=job, label="0", said_by=name)
    for name in ("", "x" * 201, "x" * 10_000_000):
        with pytest.raises(InvalidParameterValue) as refused:
            installation.label(installation.web, job=job, label="0", said_by=name)
        assert len(str(refused.value)) < 300
    assert installation.label(installation.web, job=job, label="0") == ACCEPTED
    assert installation.label(installation.web, key="label-1", source="web", label="1") == "changed"
    assert installation.label(installation.web, job=job, label="1", said_by=None) == "known"
    assert recorded(installation, job) == {
        "ann": (1, f"role:{owner_of(installation)}"),
        installation.web_role: (1, f"role:{installation.web_role}"),
    }


def owner_of(installation: Installation) -> str:
    return str(installation.operate("SELECT session_user::text"))


def test_a_granted_name_may_be_used_for_the_texts_of_every_source(
    installation: Installation,
) -> None:
    job = installation.submit(installation.billing, "to label", source="billing", key="label-2")
    grant = Grant("support", GranteeKind.ROLE, installation.web_role)
    engine = connect(installation.url)
    with engine.begin() as connection:
        labellers.grant(connection, grant, OPERATOR)
        labellers.grant(connection, grant, OPERATOR)
        assert [record.grant for record in labellers.find_grants(connection)] == [grant]
    labels = {"job": job, "label": "1", "said_by": "support"}
    assert installation.label(installation.web, **labels) == ACCEPTED
    assert (
        installation.label(installation.web, key="label-2", source="billing", label="0") == ACCEPTED
    )
    with pytest.raises(InsufficientPrivilege):
        installation.label(installation.billing, **labels)
    with engine.begin() as connection:
        assert labellers.revoke(connection, grant)
        assert not labellers.revoke(connection, grant)
    engine.dispose()
    with pytest.raises(InsufficientPrivilege):
        installation.label(installation.web, **labels)
    assert installation.label(installation.web, job=job, label="0") == "unknown_job"
    assert recorded(installation, job)["support"] == (1, f"role:{installation.web_role}")
