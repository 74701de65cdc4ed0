"""`plumbline sources`: which roles and which lists may bring the texts of a source."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.table import Table
from sqlalchemy import Connection

from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import column_table, format_short_time, out, printable_text
from plumbline.cli.output.json_output import print_json
from plumbline.cli.user import current_user
from plumbline.errors import OptionInvalid
from plumbline.redis_users import producer
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.database_errors import quoted
from plumbline_client.errors import SourceInvalid
from plumbline_client.identity import LONGEST_SOURCE, invalid_reason
from plumbline_client.queues import BULK_QUEUE, SCORE_QUEUE, bound_list, has_list
from storage import sources as bindings
from storage.sources import Source

app = typer.Typer(help="Bind sources to roles of PostgreSQL and to lists of Redis.")

NameArgument = Annotated[str, typer.Argument(help="Name of the source.", show_default=False)]


@app.callback(invoke_without_command=True)
def sources(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the bound sources, and whether all others may be used by everybody."""
    if context.invoked_subcommand is not None:
        return
    with database(connected(Settings.read())) as engine, engine.connect() as connection:
        closed = bindings.is_closed(connection)
        known = bindings.find_sources(connection)
    if as_json:
        print_json({"closed": closed, "sources": [asdict(source) for source in known]})
        return
    out.print(policy_sentence(closed))
    if known:
        out.print(sources_table(known))


@app.command()
def bind(
    name: NameArgument,
    role: Annotated[
        str | None, typer.Option(help="Role of PostgreSQL whose members may use the source.")
    ] = None,
    queue: Annotated[
        bool, typer.Option("--queue", help="Messages in the source's own list may use it.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let only a role, or only the source's own list in Redis, bring the texts of a source.

    A second call adds to what the source is bound to.
    """
    if role is None and not queue:
        raise OptionInvalid("Name what the source is bound to: --role ROLE, --queue, or both.")
    check_name(name, queue)
    with database(connected(Settings.read())) as engine, engine.begin() as connection:
        check_role(connection, role)
        bindings.bind(connection, name, current_user(), role, queue)
        steps = next_steps(connection, name, role, queue)
    if as_json:
        print_json({"source": name, "role": role, "queue": queue, "next": steps})
        return
    out.print(f"The source {name} is bound.", markup=False, soft_wrap=True)
    for step in steps:
        out.print(step, markup=False, soft_wrap=True)


@app.command()
def unbind(
    name: NameArgument,
    role: Annotated[str | None, typer.Option(help="Only from this role.")] = None,
    queue: Annotated[bool, typer.Option("--queue", help="Only from its list.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Release a source. Without options, from everything: then it is like any other.

    Messages that wait in its list are still read.
    """
    with database(connected(Settings.read())) as engine, engine.begin() as connection:
        if not bindings.unbind(connection, name, current_user(), role, queue):
            raise SourceInvalid(f"The source {name} is not bound to that; nothing was changed.")
    if as_json:
        print_json({"source": name, "role": role, "queue": queue})
        return
    out.print(f"The source {name} is released.", markup=False, soft_wrap=True)


@app.command("close")
def close_installation(as_json: JsonOption = False) -> None:
    """Refuse every source that is not bound, except to the operators."""
    set_policy(True, as_json)


@app.command("open")
def open_installation(as_json: JsonOption = False) -> None:
    """Let everybody use the sources that are not bound. This is the default."""
    set_policy(False, as_json)


def set_policy(closed: bool, as_json: bool) -> None:
    with database(connected(Settings.read())) as engine, engine.begin() as connection:
        bindings.set_closed(connection, closed, current_user())
    if as_json:
        print_json({"closed": closed})
    else:
        out.print(policy_sentence(closed))


def check_name(name: str, queue: bool) -> None:
    """Raise SourceInvalid for a name that cannot be stored, or not be part of a list's name."""
    if reason := invalid_reason(name, LONGEST_SOURCE):
        raise SourceInvalid(f"The source {reason}.")
    if queue and not has_list(name):
        raise SourceInvalid(
            "A source with a list of its own has a name of at most 100 letters, digits, dots, "
            "hyphens and underscores; bind this one to a role."
        )


def check_role(connection: Connection, role: str | None) -> None:
    """Raise OptionInvalid for a role that does not exist: nobody could use the source."""
    if role is not None and not bindings.role_exists(connection, role):
        raise OptionInvalid(
            f"PostgreSQL has no role {quoted(role)}; create it first, or correct --role."
        )


def next_steps(connection: Connection, name: str, role: str | None, queue: bool) -> list[str]:
    """Return what an operator does next, one sentence or statement each."""
    steps = []
    if role is not None and bindings.cannot_submit(connection, role):
        steps.append(f"In PostgreSQL: GRANT plumbline_producer TO {quoted(role)};")
    if queue:
        user = producer(name)
        lists = " and ".join(bound_list(queue, name) for queue in (SCORE_QUEUE, BULK_QUEUE))
        steps += [
            f"In Redis, or with a new password from `plumbline redis acl --source {name}`: "
            f"ACL SETUSER {user.name} on >PASSWORD {user.rights()}",
            f"Its producer sends its messages to the queues {lists}.",
        ]
    return steps


def policy_sentence(closed: bool) -> str:
    if closed:
        return "The installation is closed: only operators may use a source that is not bound."
    return "The installation is open: everybody may use a source that is not bound."


def sources_table(known: list[Source]) -> Table:
    table = column_table("source", "roles", "own list", "since", "by")
    for source in known:
        bound = bool(source.roles) or source.queue
        table.add_row(
            printable_text(source.name, 40),
            printable_text(", ".join(source.roles), 60),
            "yes" if source.queue else "" if bound else "released",
            format_short_time(source.changed_at),
            printable_text(source.changed_by, 20),
        )
    return table
