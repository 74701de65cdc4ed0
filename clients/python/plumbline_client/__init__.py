"""The Plumbline client: submit texts from a service, cancel jobs, read results.

Only the names below are public. They load on first use, so that the modules without dependencies
(`plumbline_client.errors`, `.states`, `.queues`) import neither psycopg nor redis.
"""

from typing import TYPE_CHECKING, Any

from plumbline_client.version import __version__

if TYPE_CHECKING:
    from plumbline_client.backlog import OnFull
    from plumbline_client.client import Cancellation, Client, Receipt, Submission
    from plumbline_client.errors import (
        BacklogFull,
        BrokerUnavailable,
        BrokerUrlInvalid,
        DatabaseNotReady,
        DatabaseRefused,
        DatabaseUnavailable,
        DatabaseUrlInvalid,
        JobUnknown,
        PlumblineError,
        ServicesMissing,
        SourceInvalid,
    )
    from plumbline_client.results import Result
    from plumbline_client.states import JobState

_MODULES = {
    "BacklogFull": "errors",
    "BrokerUnavailable": "errors",
    "BrokerUrlInvalid": "errors",
    "Cancellation": "client",
    "Client": "client",
    "DatabaseNotReady": "errors",
    "DatabaseRefused": "errors",
    "DatabaseUnavailable": "errors",
    "DatabaseUrlInvalid": "errors",
    "JobState": "states",
    "JobUnknown": "errors",
    "OnFull": "backlog",
    "PlumblineError": "errors",
    "Receipt": "client",
    "Result": "results",
    "ServicesMissing": "errors",
    "SourceInvalid": "errors",
    "Submission": "client",
}

__all__ = [
    "BacklogFull",
    "BrokerUnavailable",
    "BrokerUrlInvalid",
    "Cancellation",
    "Client",
    "DatabaseNotReady",
    "DatabaseRefused",
    "DatabaseUnavailable",
    "DatabaseUrlInvalid",
    "JobState",
    "JobUnknown",
    "OnFull",
    "PlumblineError",
    "Receipt",
    "Result",
    "ServicesMissing",
    "SourceInvalid",
    "Submission",
    "__version__",
]


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        from importlib import import_module

        return getattr(import_module(f"plumbline_client.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'plumbline_client' has no attribute {name!r}")
