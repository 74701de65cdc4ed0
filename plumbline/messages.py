"""The message a scoring task carries, version 1; `docs/message-v1.schema.json` publishes it.

A message is a wake-up for jobs the ledger has (`id` alone), or brings texts of its own (`text`).
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from storage.jobs.identity import LONGEST_KEY, LONGEST_SOURCE, fault

TASK = "plumbline.score"
SWEEP_TASK = "plumbline.sweep"
DRIFT_TASK = "plumbline.drift"
QUALITY_TASK = "plumbline.quality"
ALERTS_TASK = "plumbline.alerts"
LABEL_TASK = "plumbline.label"
# The express queue: single jobs and small messages, which never wait behind a bulk load.
SCORE_QUEUE = "plumbline.score"
BULK_QUEUE = "plumbline.bulk"
EXPRESS_MOST = 4
# The sweeper and the reports have queues of their own: neither waits behind texts, and importing
# Evidently (330 MB) never happens in a process that scores.
UPKEEP_QUEUE = "plumbline.upkeep"
REPORT_QUEUE = "plumbline.reports"
# Ours alone, so that another app's shorter visibility timeout on the same Redis does not apply.
KEY_PREFIX = "plumbline:"
VERSION = 1
MAX_JOBS = 1_000


def queue_for(texts: int) -> str:
    """The queue of a message of so many texts."""
    return SCORE_QUEUE if texts <= EXPRESS_MOST else BULK_QUEUE


class MessageRejected(Exception):
    """The message is not one of ours; its message says what is wrong with it."""


class MessageJob(BaseModel):
    """One text of a message: `id` of a job the ledger has, or `text` with or without `key`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: uuid.UUID | None = Field(None, strict=False)
    text: str | None = None
    key: str | None = Field(None, min_length=1, max_length=LONGEST_KEY)
    deadline: AwareDatetime | None = Field(None, strict=False)

    @model_validator(mode="after")
    def says_one_thing(self) -> MessageJob:
        if (self.id is None) == (self.text is None):
            raise ValueError("a job has either an id or a text")
        if self.id is not None and (self.key is not None or self.deadline is not None):
            raise ValueError("a job with an id has neither key nor deadline; the ledger knows them")
        return self


class Message(BaseModel):
    """The keyword arguments of the task `plumbline.score`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(ge=VERSION, le=VERSION)
    source: str = Field("default", min_length=1, max_length=LONGEST_SOURCE)
    jobs: list[MessageJob] = Field(min_length=1, max_length=MAX_JOBS)

    @field_validator("source")
    @classmethod
    def can_be_stored(cls, source: str) -> str:
        if wrong := fault(source, LONGEST_SOURCE):
            raise ValueError(f"the source {wrong}")
        return source

    @classmethod
    def parse(cls, arguments: dict[str, Any]) -> Message:
        """Read a task's keyword arguments; raise `MessageRejected` with the first thing wrong."""
        try:
            return cls.model_validate(arguments)
        except ValidationError as error:
            raise MessageRejected(first_fault(error)) from error


def first_fault(error: ValidationError) -> str:
    """Where a message is wrong and why, without what it says there."""
    first = error.errors(include_input=False, include_url=False)[0]
    parts = list(first["loc"])
    if first["type"] == "extra_forbidden":
        # Its name is the sender's choice, and this sentence goes into a log.
        parts[-1] = "(unknown)"
    place = ".".join(str(part) for part in parts) or "message"
    return f"{place}: {first['msg']}"


def wake_up(ids: Sequence[uuid.UUID]) -> dict[str, Any]:
    """The arguments that wake a worker for jobs the ledger has."""
    return {"version": VERSION, "jobs": [{"id": str(job)} for job in ids]}
