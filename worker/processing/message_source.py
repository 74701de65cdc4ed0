"""What the list of a message proves about its source.

A producer writes whatever it likes into a message, but Redis lets it write only to its own lists.
So a message in the list of a source may bring only texts of that source, and a source that is bound
is refused to messages in all other lists.
"""

from __future__ import annotations

from plumbline.messages import ScoreMessage, SourceRefused
from plumbline_client.queues import KEY_PREFIX, source_of
from storage.direct import Executor
from storage.sources import Binding, binding_of


def source_of_list(list_name: str | None) -> str | None:
    """Return the source whose own list this is; None for a list that any producer may use."""
    return None if list_name is None else source_of(list_name.removeprefix(KEY_PREFIX))


def check_source(connection: Executor, message: ScoreMessage, list_name: str | None) -> None:
    """Raise SourceRefused if the message may not bring its texts in this list.

    A message that only wakes workers for jobs in the ledger may come in every list.
    """
    if not message.brings_texts:
        return
    binding = binding_of(connection, message.source)
    if reason := refusal(message.source, source_of_list(list_name), binding):
        raise SourceRefused(message.source, reason)


def refusal(source: str, list_source: str | None, binding: Binding) -> str | None:
    """Return why texts of `source` may not come in the list of `list_source`; None if they may."""
    if list_source is not None and source != list_source:
        return f"the list of {list_source} brings no texts of {source}"
    if list_source is not None and binding.queue:
        return None
    if binding.queue:
        return f"texts of {source} come only in the lists of this source"
    if binding.bound:
        return f"texts of {source} come only from the roles that it is bound to"
    if binding.closed:
        return (
            f"{source} is not bound, and this installation is closed; an operator allows it with "
            "`plumbline sources bind`"
        )
    return None
