"""A task whose arguments are the undecoded body of a message."""

from __future__ import annotations

from typing import Any

from celery import Task

from worker.broker.body import read_arguments
from worker.broker.retry import attempt

# The argument in which a child receives the body; see `worker.broker.request`.
BODY_ARGUMENT = "plumbline_body"


class MessageTask(Task):  # type: ignore[misc]
    """Decodes the body in the child, under its limit of memory, before the task runs."""

    Request = "worker.broker.request:MessageRequest"

    def __call__(self, *args: Any, **arguments: Any) -> Any:
        body = arguments.get(BODY_ARGUMENT)
        if body is None:
            return self.run(*args, **arguments)
        decoded = attempt(self, lambda: read_arguments(body))
        return None if decoded is None else self.run(**decoded)
