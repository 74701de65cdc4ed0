"""`plumbline labellers`: which roles and sources may label under which names."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from plumbline.cli.commands.sources import check_role
from plumbline.cli.database import database
from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import column_table, format_short_time, out, printable_text
from plumbline.cli.output.json_output import print_json
from plumbline.cli.user import current_user
from plumbline.errors import OptionInvalid
from plumbline.services import connected
from plumbline.settings import Settings
from plumbline_client.errors import SourceInvalid
from plumbline_client.identity import LONGEST_SOURCE, invalid_reason
from storage import labellers as grants
from storage.labellers import Grant, GrantRecord
from storage.states import GranteeKind

app = typer.Typer(help="Let roles and sources label under other names than their own.")

NameArgument = Annotated[str, typer.Argument(help="Name of the labeller.", show_default=False)]
RoleOption = Annotated[
    str | None, typer.Option(help="Role of PostgreSQL whose members label under the name.")
]
SourceOption = Annotated[
    str | None, typer.Option(help="Source in whose own list label messages come.")
]


@app.callback(invoke_without_command=True)
def labellers(context: typer.Context, as_json: JsonOption = False) -> None:
    """List the names of labellers, and who may label under them."""
    if context.invoked_subcommand is not None:
        return
    with database(connected(Settings.read())) as engine, engine.connect() as connection:
        records = grants.find_grants(connection)
    if as_json:
        print_json({"labellers": [record_to_json(record) for record in records]})
    elif records:
        out.print(labellers_table(records))
    else:
        out.print("No name is granted: every role labels under its own.")


@app.command()
def grant(
    name: NameArgument,
    role: RoleOption = None,
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Let a role or a source label under a name, and the texts of every source."""
    wanted = parse_grant(name, role, source)
    with database(connected(Settings.read())) as engine, engine.begin() as connection:
        check_role(connection, role)
        grants.grant(connection, wanted, current_user())
    print_grant(wanted, "may label as", as_json)


@app.command()
def revoke(
    name: NameArgument,
    role: RoleOption = None,
    source: SourceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a name back. Labels that were written under it stay."""
    unwanted = parse_grant(name, role, source)
    with database(connected(Settings.read())) as engine, engine.begin() as connection:
        if not grants.revoke(connection, unwanted):
            raise SourceInvalid(
                f"The {unwanted.kind} {unwanted.grantee} has no grant to label as {name}; nothing "
                "was changed."
            )
    print_grant(unwanted, "does not label any more as", as_json)


def parse_grant(name: str, role: str | None, source: str | None) -> Grant:
    """Raises OptionInvalid unless there is one grantee, and SourceInvalid for a name."""
    if (role is None) == (source is None):
        raise OptionInvalid("Name who labels under this name: --role ROLE or --source SOURCE.")
    if reason := invalid_reason(name, LONGEST_SOURCE):
        raise SourceInvalid(f"The name of the labeller {reason}.")
    if role is not None:
        return Grant(name, GranteeKind.ROLE, role)
    assert source is not None, "one of the two is named"
    return Grant(name, GranteeKind.SOURCE, source)


def print_grant(grant: Grant, verb: str, as_json: bool) -> None:
    if as_json:
        print_json({"name": grant.name, "kind": grant.kind, "grantee": grant.grantee})
        return
    sentence = f"The {grant.kind} {grant.grantee} {verb} {grant.name}."
    out.print(sentence, markup=False, soft_wrap=True)


def record_to_json(record: GrantRecord) -> dict[str, Any]:
    return {
        "name": record.grant.name,
        "kind": record.grant.kind,
        "grantee": record.grant.grantee,
        "granted_by": record.granted_by,
        "granted_at": record.granted_at,
    }


def labellers_table(records: Sequence[GrantRecord]) -> Table:
    table = column_table("labeller", "", "may label under it", "since", "by")
    for record in records:
        table.add_row(
            printable_text(record.grant.name, 40),
            record.grant.kind,
            printable_text(record.grant.grantee, 40),
            format_short_time(record.granted_at),
            printable_text(record.granted_by, 20),
        )
    return table
