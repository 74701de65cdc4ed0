"""What the list of a message proves about its source.

A producer writes whatever it likes into a message, but Redis lets it write only to its own lists.
So a message in the list of a source may bring only texts of that source, and a source that is bound
is refused to messages in all other lists.
"""

from __future__ import annotations

from plumbline.messages import MessageRejected, ScoreMessage
from plumbline_client.queues import KEY_PREFIX, source_of
from storage.direct import Executor
from storage.sources import Binding, binding_of

# The header in which the gate records the list of a message, whatever its producer wrote there.
LIST_HEADER = "plumbline_list"


def source_of_list(list_name: str | None) -> str | None:
    """Return the source whose own list this is; None for a list that any producer may use."""
    return None if list_name is None else source_of(list_name.removeprefix(KEY_PREFIX))


def admit(connection: Executor, message: ScoreMessage, list_name: str | None) -> ScoreMessage:
    """Return the message with its source. Raises MessageRejected if it may not bring its texts.

    A message that only wakes workers for jobs in the ledger is admitted from every list.
    """
    message = message.sent_by(source_of_list(list_name))
    if not message.brings_texts:
        return message
    binding = binding_of(connection, message.source)
    if reason := refusal(message.source, source_of_list(list_name), binding):
        raise MessageRejected(f"source: {reason}")
    return message


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
