"""What the database refuses, each with the one sentence a person is shown.

* StorageError
  * DatabaseUnavailable
  * DatabaseRefused
  * DatabaseUrlInvalid
  * SchemaOutdated
"""


class StorageError(Exception):
    """The database could not do what was asked."""


class DatabaseUnavailable(StorageError):
    """PostgreSQL cannot be reached; nothing was changed."""


class DatabaseRefused(StorageError):
    """PostgreSQL answers but does not do it, as for a user without the right."""


class DatabaseUrlInvalid(StorageError):
    """The database URL is not one PostgreSQL understands."""


class SchemaOutdated(StorageError):
    """The tables are not at this release's version; run `plumbline db upgrade`."""
