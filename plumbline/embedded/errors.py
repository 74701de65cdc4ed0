"""What can go wrong with servers of our own.

* PlumblineError
  * EmbeddedMissing
  * EmbeddedFailed
  * FolderBusy
"""

from __future__ import annotations

from plumbline_client.errors import PlumblineError


class EmbeddedMissing(PlumblineError):
    """A server's program is not installed."""


class EmbeddedFailed(PlumblineError):
    """A server did not start or did not stop."""


class FolderBusy(PlumblineError):
    """Another process works in this folder."""
