"""The errors of `plumbline up` and its servers.

* PlumblineError
  * EmbeddedError
    * EmbeddedFailed
    * EmbeddedMissing
    * FolderBusy
"""

from __future__ import annotations

from plumbline_client.errors import PlumblineError


class EmbeddedError(PlumblineError):
    """`plumbline up` or one of its servers cannot run."""


class EmbeddedFailed(EmbeddedError):
    """A server or a Celery process did not start, or died."""


class EmbeddedMissing(EmbeddedError):
    """A program that must run is not installed."""


class FolderBusy(EmbeddedError):
    """Another process uses the folder."""
