"""What the database refuses, each with the one sentence a person is shown.

* StorageError
  * DatabaseUnavailable
  * DatabaseUrlInvalid
  * SchemaOutdated
"""


class StorageError(Exception):
    """The database could not do what was asked."""


class DatabaseUnavailable(StorageError):
    """PostgreSQL cannot be reached; nothing was changed."""


class DatabaseUrlInvalid(StorageError):
    """The database URL is not one PostgreSQL understands."""


class SchemaOutdated(StorageError):
    """The tables are not at this release's version; run `plumbline db upgrade`."""
