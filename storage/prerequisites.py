"""What the database must be and what the role must be allowed to do, checked before it is needed.

PostgreSQL itself reports each of these late, one at a time, and without the statement that helps.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from plumbline_client.database_errors import quoted
from plumbline_client.errors import DatabaseNotReady
from storage.errors import DatabaseUnsuitable, RightsMissing
from storage.schema import SCHEMA, TABLES

# `CREATE FUNCTION ... BEGIN ATOMIC` came with 14.
OLDEST_MAJOR_VERSION = 14
ENCODING = "UTF8"

SERVER = text("""
SELECT CAST(current_setting('server_version_num') AS int) / 10000 AS major,
       current_setting('server_version') AS version,
       current_setting('server_encoding') AS encoding,
       current_database() AS database
""")

CREATION = text(f"""
SELECT CAST(current_user AS text) AS role, current_database() AS database,
       has_database_privilege(current_database(), 'CREATE') AS may_create_schema,
       namespaces.oid IS NOT NULL AS has_schema,
       has_schema_privilege(namespaces.oid, 'USAGE') AND
       has_schema_privilege(namespaces.oid, 'CREATE') AS may_create_tables
FROM (SELECT to_regnamespace('{SCHEMA}') AS oid) AS namespaces
""")

FOREIGN_OWNER = text(f"""
SELECT pg_get_userbyid(relowner) FROM pg_class
WHERE relnamespace = to_regnamespace('{SCHEMA}') AND relkind IN ('r', 'v')
  AND NOT pg_has_role(relowner, 'USAGE')
LIMIT 1
""")

# Rows are only locked, changed and added: nothing is ever deleted.
MISSING_RIGHTS = text(f"""
SELECT CAST(current_user AS text) AS role, tables.name, rights.name AS missing
FROM unnest(CAST(:tables AS text[])) AS tables (name)
CROSS JOIN unnest(ARRAY['SELECT', 'INSERT', 'UPDATE']) AS rights (name)
WHERE NOT (has_schema_privilege('{SCHEMA}', 'USAGE')
           AND has_table_privilege(format('%I.%I', '{SCHEMA}', tables.name), rights.name))
  AND (rights.name <> 'UPDATE' OR tables.name IN ('jobs', 'locks', 'periodic_tasks'))
LIMIT 1
""")

PUBLIC_RIGHTS = text("""
SELECT current_database() AS database,
       ARRAY(SELECT name FROM unnest(ARRAY['CONNECT', 'TEMPORARY']) AS names (name)
             WHERE has_database_privilege('public', current_database(), name)) AS rights
""")


def open_to_all(connection: Connection) -> str | None:
    """Return a sentence if every login of the server may use the database."""
    public = connection.execute(PUBLIC_RIGHTS).one()
    if not public.rights:
        return None
    return (
        "Every login of the server may connect to the database, where it can occupy connections "
        f"and disk; run REVOKE {', '.join(public.rights)} ON DATABASE {quoted(public.database)} "
        "FROM PUBLIC, and grant CONNECT to the roles that need it."
    )


def check_server(connection: Connection) -> None:
    """Raise DatabaseUnsuitable for a PostgreSQL that is too old, or another encoding than UTF-8."""
    server = connection.execute(SERVER).one()
    if server.major < OLDEST_MAJOR_VERSION:
        raise DatabaseUnsuitable(
            f"PostgreSQL {server.version} is too old: this release needs PostgreSQL "
            f"{OLDEST_MAJOR_VERSION} or newer."
        )
    if server.encoding != ENCODING:
        raise DatabaseUnsuitable(
            f"The database {quoted(server.database)} has the encoding {server.encoding}, which "
            f"cannot store every text: create one with CREATE DATABASE name TEMPLATE template0 "
            f"ENCODING '{ENCODING}' LOCALE 'C.UTF-8', and set PLUMBLINE_DATABASE_URL to it."
        )


def check_writable(connection: Connection) -> None:
    """Raise DatabaseNotReady on a standby, which becomes writable if it is promoted."""
    if connection.execute(text("SHOW transaction_read_only")).scalar_one() == "on":
        raise DatabaseNotReady(
            "PostgreSQL is read-only, as a standby is: set PLUMBLINE_DATABASE_URL to the primary, "
            "or promote this server."
        )


def check_creation(connection: Connection) -> None:
    """Check that this role can create and change tables here.

    Raises RightsMissing, and DatabaseNotReady on a standby.
    """
    check_writable(connection)
    rights = connection.execute(CREATION).one()
    role = quoted(rights.role)
    if rights.has_schema:
        if not rights.may_create_tables:
            raise RightsMissing(
                f"The role {role} may not create tables in the schema {SCHEMA}: run GRANT USAGE, "
                f"CREATE ON SCHEMA {SCHEMA} TO {role}."
            )
    elif not rights.may_create_schema:
        raise RightsMissing(
            f"The role {role} may not create the schema {SCHEMA}: run GRANT CREATE ON DATABASE "
            f"{quoted(rights.database)} TO {role}, or CREATE SCHEMA {SCHEMA} AUTHORIZATION {role}."
        )
    owner = connection.execute(FOREIGN_OWNER).scalar_one_or_none()
    if owner is not None:
        raise RightsMissing(
            f"The tables belong to the role {quoted(owner)}, so {role} may not change them: "
            f"upgrade as {quoted(owner)}, or run GRANT {quoted(owner)} TO {role}."
        )


def check_use(connection: Connection) -> None:
    """Check that this role can do what a worker does with the tables.

    Raises RightsMissing, and DatabaseNotReady on a standby.
    """
    check_writable(connection)
    denied = connection.execute(MISSING_RIGHTS, {"tables": list(TABLES)}).first()
    if denied is None:
        return
    role = quoted(denied.role)
    raise RightsMissing(
        f"The role {role} may not {denied.missing} in {SCHEMA}.{denied.name}: run GRANT USAGE ON "
        f"SCHEMA {SCHEMA} TO {role}, and GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA "
        f"{SCHEMA} TO {role}."
    )
