"""Errors whose message is one sentence for the person or program that can act on it.

* PlumblineError
  * BacklogFull
  * BrokerUnavailable
    * BrokerRefuses
    * BrokerUrlInvalid
  * JobUnknown
  * ServicesMissing
  * SourceInvalid
  * TextRefused
  * StorageError
    * DatabaseUnavailable
      * DatabaseNotReady
    * DatabaseRefused
    * DatabaseUrlInvalid

The application's packages derive their own errors from `PlumblineError`.
"""


class PlumblineError(Exception):
    """The root of every error that Plumbline raises on purpose."""


class BacklogFull(PlumblineError):
    """Too many texts are queued; the call accepted none of the texts that are left."""


class BrokerUnavailable(PlumblineError):
    """Redis cannot be reached or refuses; accepted texts stay queued in the ledger."""


class BrokerRefuses(BrokerUnavailable):
    """Redis answers with an error. `answer` is in its own words; waiting may help if `may_pass`."""

    def __init__(self, sentence: str, answer: str = "", *, may_pass: bool = True) -> None:
        super().__init__(sentence)
        self.answer = answer
        self.may_pass = may_pass


class BrokerUrlInvalid(BrokerUnavailable):
    """The broker URL is not the URL of one Redis server."""


class JobUnknown(PlumblineError):
    """The job does not exist."""


class ServicesMissing(PlumblineError):
    """No server URLs are configured and no `plumbline up` is running."""


class SourceInvalid(PlumblineError):
    """The source name cannot be stored."""


class TextRefused(PlumblineError):
    """The text cannot be scored; the job ends as `rejected` with this reason."""


class StorageError(PlumblineError):
    """PostgreSQL could not carry out the operation."""


class DatabaseUnavailable(StorageError):
    """PostgreSQL cannot be reached, or answers with an error that may pass."""


class DatabaseNotReady(DatabaseUnavailable):
    """PostgreSQL answers with an error that may pass, for example because its disk is full."""


class DatabaseRefused(StorageError):
    """PostgreSQL answered with an error, for example because a privilege is missing."""


class DatabaseUrlInvalid(StorageError):
    """The database URL is not a PostgreSQL URL."""
