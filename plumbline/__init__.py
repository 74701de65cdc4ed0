"""Hand over texts, and each is scored exactly once or ends in a row that says why not."""

from typing import TYPE_CHECKING, Any

from plumbline.version import __version__

if TYPE_CHECKING:
    from plumbline.client import Cancellation, Client, Receipt, Submission

__all__ = ["Cancellation", "Client", "Receipt", "Submission", "__version__"]


def __getattr__(name: str) -> Any:
    """Load the client when it is asked for, so that the command line starts at once."""
    if name in __all__:
        from plumbline import client

        return getattr(client, name)
    raise AttributeError(f"module 'plumbline' has no attribute {name!r}")
