"""`plumbline redis`: the users for a Redis that somebody else runs."""

from __future__ import annotations

import secrets
from typing import Annotated

import typer

from plumbline.cli.json_option import JsonOption
from plumbline.cli.output.console import err
from plumbline.cli.output.json_output import print_json
from plumbline.redis_users import RedisUser, monitor, producer, setuser_command, worker

app = typer.Typer(no_args_is_help=True)
PASSWORD_BYTES = 24
NEXT = (
    "Each password is new; write it into the broker URL of its user. Give these commands to "
    "redis-cli as an administrator, add them to the ACL file, and at last switch off the user "
    "without a name: ACL SETUSER default off."
)


@app.callback()
def group() -> None:
    """Print what an administrator of Redis needs."""


@app.command()
def acl(
    source: Annotated[
        list[str] | None,
        typer.Option(help="Print the user of a source that has queues of its own. Repeatable."),
    ] = None,
    rights_only: Annotated[
        bool, typer.Option("--rights-only", help="Keep the passwords of users that exist.")
    ] = False,
    older: Annotated[
        bool,
        typer.Option("--older", help="Leave out CLIENT SETINFO, unknown to Redis 7.0 and 7.1."),
    ] = False,
    select: Annotated[
        bool, typer.Option("--select", help="For URLs with a database number other than 0.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Print the commands that create the users producer, worker and monitor with new passwords.

    With --source, only the user producer-SOURCE is printed, which may add messages to the lists of
    this source alone.
    """
    users = [producer(name) for name in source] if source else [producer(), worker(), monitor()]
    commands = [
        _command(user, user.rights(setinfo=not older, select=select), rights_only) for user in users
    ]
    if as_json:
        print_json({"users": commands})
        return
    for command in commands:
        typer.echo(command["command"])
    if not rights_only and err.is_terminal:
        err.print(NEXT)


def _command(user: RedisUser, rights: str, rights_only: bool) -> dict[str, str | None]:
    password = None if rights_only else secrets.token_urlsafe(PASSWORD_BYTES)
    return {
        "user": user.name,
        "password": password,
        "command": setuser_command(user, password, rights),
    }
