"""The message of the task `plumbline.label`, version 1: what texts truly were.

A job is named by `job_id`, or by the `source` and `key` it was submitted with; `by` is who says so.
"""

from __future__ import annotations

import uuid
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from plumbline.messages import MAX_JOBS, VERSION, MessageRejected, first_fault
from storage.jobs.identity import LONGEST_KEY, LONGEST_SOURCE, fault, keyed_id
from storage.jobs.labels import LONGEST_LABEL, Entry


class MessageLabel(BaseModel):
    """One label. `source` is of the job, as in the message that brought it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    label: str = Field(min_length=1, max_length=LONGEST_LABEL)
    by: str
    job_id: uuid.UUID | None = Field(None, strict=False)
    source: str = "default"
    key: str | None = None

    @model_validator(mode="after")
    def names_one_job(self) -> MessageLabel:
        if (self.job_id is None) == (self.key is None):
            raise ValueError("a label names its job by job_id, or by key and source")
        return self

    @field_validator("by", "source")
    @classmethod
    def can_be_a_source(cls, value: str) -> str:
        if wrong := fault(value, LONGEST_SOURCE):
            raise ValueError(f"it {wrong}")
        return value

    @field_validator("key")
    @classmethod
    def can_be_a_key(cls, value: str | None) -> str | None:
        if value is not None and (wrong := fault(value, LONGEST_KEY)):
            raise ValueError(f"it {wrong}")
        return value

    def entry(self) -> Entry:
        if self.job_id is not None:
            return Entry(self.job_id, self.label, self.by)
        assert self.key is not None
        return Entry(keyed_id(self.source, self.key), self.label, self.by)


class LabelMessage(BaseModel):
    """The keyword arguments of the task `plumbline.label`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(ge=VERSION, le=VERSION)
    labels: list[MessageLabel] = Field(min_length=1, max_length=MAX_JOBS)

    @classmethod
    def parse(cls, arguments: dict[str, Any]) -> LabelMessage:
        """Read a task's keyword arguments; raise `MessageRejected` with the first thing wrong."""
        try:
            return cls.model_validate(arguments)
        except ValidationError as error:
            raise MessageRejected(first_fault(error)) from error

    def entries(self) -> list[Entry]:
        return [label.entry() for label in self.labels]
