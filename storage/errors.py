"""Errors of the database. Each message is one sentence that states what to do.

* StorageError (`plumbline_client.errors`, with DatabaseUnavailable, DatabaseRefused and
  DatabaseUrlInvalid)
  * DatabaseInUse
  * DatabaseUnsuitable
  * LabellerRefused
  * RightsMissing
  * SchemaOutdated
* PlumblineError
  * VersionChanged
"""

from __future__ import annotations

from plumbline_client.errors import PlumblineError, StorageError


class DatabaseInUse(StorageError):
    """The tables are in use for too long to be changed; the message names the session."""


class DatabaseUnsuitable(StorageError):
    """The database cannot hold the tables: its PostgreSQL is too old, or its encoding not UTF-8."""


class RightsMissing(StorageError):
    """The role may not do what is needed; the message contains the GRANT."""


class SchemaOutdated(StorageError):
    """The database schema is not at the revision of this release; run `plumbline db upgrade`."""


class VersionChanged(PlumblineError):
    """A model version is registered with other content, and a version never changes."""


class LabellerRefused(StorageError):
    """Labels name a labeller that their sender may not speak for."""
