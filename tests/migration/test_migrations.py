"""The migrations on a real PostgreSQL, from an empty database and back."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest
from sqlalchemy import Engine, inspect, make_url, text

from storage import migrate
from storage.database import connect
from storage.errors import SchemaOutdated
from storage.migration_lock import VERSION_TABLE
from storage.serving import deployments
from storage.tables import Base
from tests.database import alembic, tables
from tests.servers import postgres_server

HEAD = migrate.newest()
SCORED_BY_THE_PREVIOUS_RELEASE = """
WITH job AS (
    INSERT INTO plumbline.jobs (id, source, key, text_sha256, state, notes)
    VALUES (gen_random_uuid(), 'test', :key, '', 'scored', '{nul_replaced}') RETURNING id
)
INSERT INTO plumbline.predictions
    (job_id, role, model, probability, label, confidence, decision, ranked, tokens, windows,
     window_rule, features, queue_ms, score_ms)
SELECT id, 'live', 'm/1.0.0', 0.1, 'ham', 0.9, 'negative', '[]', 1, 1, 'mean', '{}', 0, 0 FROM job
"""


def test_empty_database_is_migrated_to_this_release(empty: Engine) -> None:
    assert migrate.upgrade(empty) == HEAD
    assert migrate.check(empty) == HEAD
    assert {table.name for table in Base.metadata.tables.values()} <= tables(empty)
    assert sorted(inspect(empty).get_view_names(schema="plumbline")) == ["quality", "results"]


def test_migrations_create_the_tables_of_the_models(empty: Engine) -> None:
    migrate.upgrade(empty)
    alembic(empty, "check")


def test_downgrade_to_nothing_can_be_upgraded_again(empty: Engine) -> None:
    migrate.upgrade(empty)
    alembic(empty, "downgrade", "base")
    assert tables(empty) == {VERSION_TABLE}
    assert inspect(empty).get_view_names(schema="plumbline") == []
    with pytest.raises(SchemaOutdated):
        migrate.check(empty)
    assert migrate.upgrade(empty) == HEAD
    alembic(empty, "check")


def test_user_who_cannot_create_roles_can_migrate(tmp_path: Path) -> None:
    """The test runs its own server, because the roles exist on the shared one already."""
    with postgres_server(tmp_path) as url, psycopg.connect(url, autocommit=True) as admin:
        roles = "plumbline_producer, plumbline_reader"
        admin.execute(f"REVOKE CONNECT ON DATABASE plumbline FROM {roles}".encode())
        admin.execute(f"DROP ROLE {roles}".encode())
        admin.execute("CREATE ROLE limited LOGIN NOCREATEROLE PASSWORD 'secret'")
        admin.execute("CREATE DATABASE owned OWNER limited")
        owned = make_url(url).set(username="limited", password="secret", database="owned")
        engine = connect(owned.render_as_string(hide_password=False))
        assert migrate.upgrade(engine) == HEAD
        existing = "SELECT count(*) FROM pg_roles WHERE rolname ^@ 'plumbline_'"
        assert admin.execute(existing).fetchone() == (0,)
        admin.execute("CREATE ROLE plumbline_producer NOLOGIN")
        with engine.begin() as connection:
            connection.execute(text("CALL plumbline.grant_roles()"))
            granted = text(
                "SELECT has_function_privilege('plumbline_producer', "
                "'plumbline.submit_v1(text, text, text, timestamptz)', 'execute')"
            )
            assert connection.execute(granted).scalar_one()
        engine.dispose()


def test_rollback_finds_versions_promoted_before_rollbacks_were_recorded(empty: Engine) -> None:
    with empty.begin() as connection:
        connection.execute(text("CREATE SCHEMA plumbline"))
    alembic(empty, "upgrade", "0002")
    with empty.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO plumbline.model_versions (model, manifest_sha256, metrics) "
                "VALUES ('m/1.0.0', '', '{}'), ('m/2.0.0', '', '{}')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO plumbline.deployments (model, deployed_by, reason) "
                "VALUES ('m/1.0.0', 'ann', ''), ('m/2.0.0', 'ann', '')"
            )
        )
    migrate.upgrade(empty)
    with empty.begin() as connection:
        assert deployments.previous_model(connection) == "m/1.0.0"
        deployments.roll_back(connection, deployed_by="ann", reason="")
        assert deployments.serving(connection) == deployments.Serving("m/1.0.0")
        assert deployments.previous_model(connection) is None


def test_predictions_of_the_previous_release_have_no_notes(empty: Engine) -> None:
    """Before, after and between the migration and its reversal."""
    with empty.begin() as connection:
        connection.execute(text("CREATE SCHEMA plumbline"))
    alembic(empty, "upgrade", "0005")
    for number, revision in enumerate(("0005", "0006", "0005", "0006")):
        alembic(empty, "upgrade" if revision == "0006" else "downgrade", revision)
        with empty.begin() as connection:
            connection.execute(text(SCORED_BY_THE_PREVIOUS_RELEASE), {"key": str(number)})
            notes = connection.execute(text("SELECT notes FROM plumbline.results")).scalars()
            assert list(notes) == [["nul_replaced"]] * (number + 1)


QUOTES = "he said: '=1', given up after 9 attempts: too"
ERRORS = {
    ("quarantined", f"given up after 3 attempts: ValueError: {QUOTES}"): (
        "given up after 3 attempts: ValueError"
    ),
    ("quarantined", f"discarded by a: b; c; given up after 3 attempts: KeyError: {QUOTES}\nmore"): (
        "discarded by a: b; c; given up after 3 attempts: KeyError"
    ),
    ("queued", f"OSError: {QUOTES}"): "OSError",
    ("leased", f"Error_2: {QUOTES}"): "Error_2",
    ("quarantined", "given up after 3 attempts: its worker process was killed by SIGSEGV"): None,
    ("queued", "its worker died or did not finish in time"): None,
    ("cancelled", "duplicate: see the ticket"): None,
    ("rejected", "the text is empty"): None,
}


def test_messages_of_exceptions_that_an_earlier_release_stored_are_deleted(empty: Engine) -> None:
    migrate.upgrade(empty, "0011")
    insert = text("""
        INSERT INTO plumbline.jobs (id, source, state, error)
        VALUES (gen_random_uuid(), 'test', :state, :error)
    """)
    expected = sorted(cleaned or error for (_, error), cleaned in ERRORS.items())
    with empty.begin() as connection:
        for state, error in ERRORS:
            connection.execute(insert, {"state": state, "error": error})
    migrate.upgrade(empty)
    with empty.connect() as connection:
        errors = connection.execute(text("SELECT error FROM plumbline.jobs")).scalars()
        assert sorted(errors) == expected


def test_label_function_keeps_its_callers_and_their_rights(empty: Engine) -> None:
    """Between 0013 and 0014 its arguments change, so it is another function."""
    migrate.upgrade(empty, "0013")
    with empty.begin() as connection:
        connection.execute(text("GRANT EXECUTE ON FUNCTION plumbline.label_v1 TO plumbline_reader"))
    call = text("SELECT plumbline.label_v1(gen_random_uuid(), 'spam', said_by => 'ann')")
    rights = text(
        "SELECT rolname FROM pg_proc, pg_roles WHERE proname = 'label_v1' "
        "AND rolname IN ('plumbline_producer', 'plumbline_reader', 'pg_monitor') "
        "AND has_function_privilege(rolname, pg_proc.oid, 'execute') ORDER BY 1"
    )
    for revision in ("0014", "0013", "0014"):
        alembic(empty, "upgrade" if revision == "0014" else "downgrade", revision)
        with empty.begin() as connection:
            assert connection.execute(call).scalar_one() == "unknown_job"
            granted = connection.execute(rights).scalars().all()
            assert granted == ["plumbline_producer", "plumbline_reader"]


def test_tables_of_other_schemas_are_ignored(empty: Engine) -> None:
    migrate.upgrade(empty)
    with empty.begin() as connection:
        connection.execute(text("CREATE TABLE public.other (id int)"))
    alembic(empty, "check")


def test_unknown_state_cannot_be_written(engine: Engine) -> None:
    with pytest.raises(Exception, match="jobs_state_check"), engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO plumbline.jobs (id, source, text_sha256, state) "
                "VALUES (gen_random_uuid(), 'test', '', 'lost')"
            )
        )


def test_functions_for_clients_are_not_compiled_for_each_call(engine: Engine) -> None:
    """A server with just-in-time compilation took longer for that than for the statement."""
    query = text(
        "SELECT proname FROM pg_proc WHERE pronamespace = 'plumbline'::regnamespace AND prosecdef "
        "AND proname IN ('submit_v1', 'submit_many_v1', 'states_v1', 'results_v1', 'cancel_v1', "
        "'unpublish_v1', 'count_queued_v1') AND NOT 'jit=off' = ANY (proconfig)"
    )
    with engine.connect() as connection:
        assert connection.execute(query).scalars().all() == []
        assert connection.execute(text("SHOW jit")).scalar_one() == "off"
