"""Errors of the database. Each message is one sentence that states what to do.

* StorageError (`plumbline_client.errors`, with DatabaseUnavailable, DatabaseRefused and
  DatabaseUrlInvalid)
  * SchemaOutdated
"""

from __future__ import annotations

from plumbline_client.errors import StorageError


class SchemaOutdated(StorageError):
    """The database schema is not at the revision of this release; run `plumbline db upgrade`."""
