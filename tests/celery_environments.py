"""Compares what Celery makes of random environments: `python -m tests.celery_environments`.

It is a program of its own because importing the app reads the environment. It exits with an error
if a variable changed a setting of the app, or an option of a command.
"""

from __future__ import annotations

import os
from typing import Any

from celery.app.defaults import NAMESPACES, flatten
from celery.bin.base import CLIContext
from celery.bin.celery import celery as celery_command
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from plumbline import celery_plugin
from plumbline.celery_environment import NAMES, USED_BY_RUNNING_CELERY
from worker.celery import app, make_app, read_configuration

SETTINGS = {name.upper() for name, _ in flatten(NAMESPACES)}
OPTIONS = {
    f"{command.name}_{parameter.name}".upper()
    for command in celery_command.commands.values()
    for parameter in command.params
}
GLOBAL_OPTIONS = {str(parameter.name).upper() for parameter in celery_command.params}
VARIABLES = sorted(
    {f"CELERY_{name}" for name in SETTINGS | OPTIONS | GLOBAL_OPTIONS}
    | {"CELERYD_OPTS", "CELERYBEAT_OPTS", "KOMBU_LOG_CONNECTION", "NO_COLOR"}
    | NAMES
)
VALUES = ["redis://127.0.0.1:1/5", "django-db", "config.production", "1", "0", "emails", "auto"]
CONFIGURATION = read_configuration()
INHERITED = set(os.environ)


def effective() -> dict[str, Any]:
    """Return everything that the environment might have changed."""
    fresh = make_app(*CONFIGURATION)
    parent = celery_command.make_context(
        "celery", ["-A", "worker", "worker"], auto_envvar_prefix="CELERY"
    )
    parent.obj = CLIContext(app=app, no_color=True, workdir=None)
    with parent.scope():
        commands = {
            name: celery_command.commands[name].make_context(name, [], parent=parent).params
            for name in ("worker", "beat")
        }
    options = {name: value for name, value in parent.params.items() if name != "no_color"}
    return {
        "settings": {key: repr(value) for key, value in sorted(fresh.conf.items())},
        "read": fresh.connection_for_read().as_uri(include_password=True),
        "write": fresh.connection_for_write().as_uri(include_password=True),
        "results": fresh.conf.result_backend,
        "loader": type(fresh.loader),
        "fixups": fresh.fixups,
        "options": options,
        "commands": commands,
    }


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.dictionaries(
        st.sampled_from(VARIABLES),
        st.sampled_from(VALUES) | st.from_regex(r"[^\x00]+", fullmatch=True),
        min_size=1,
        max_size=8,
    )
)
def environment_changes_nothing(variables: dict[str, str]) -> None:
    for name, value in variables.items():
        os.environ[name] = value
    celery_plugin.clean(os.environ)
    differences = {
        name: (value, EXPECTED[name])
        for name, value in effective().items()
        if value != EXPECTED[name]
    }
    assert not differences, differences
    remaining = set(os.environ) - INHERITED - USED_BY_RUNNING_CELERY - {"NO_COLOR"}
    assert not remaining, remaining


EXPECTED = effective()

if __name__ == "__main__":
    environment_changes_nothing()
