"""The schemas of the messages that producers send, version 1.

A scoring message is a wake-up for jobs that the ledger has (`id` alone) or brings texts of its own
(`text`); `docs/message-v1.schema.json` publishes its schema. A label message brings true labels.
"""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

from plumbline_client.defaults import SOURCE
from plumbline_client.errors import PlumblineError
from plumbline_client.identity import LONGEST_KEY, LONGEST_SOURCE, invalid_reason, keyed_id
from plumbline_client.message import VERSION
from storage.jobs.labels import LONGEST_LABEL, LabelEntry
from storage.states import Sampling

MAX_JOBS = 1_000


class MessageRejected(PlumblineError):
    """A message does not follow its schema."""


class SourceRefused(MessageRejected):
    """A message brings texts of a source that its list does not prove."""

    def __init__(self, source: str, reason: str) -> None:
        super().__init__(f"source: {reason}")
        self.source = source


class _Message(BaseModel):
    """The keyword arguments of a task."""

    model_config = ConfigDict(extra="forbid", strict=True)

    version: int = Field(ge=VERSION, le=VERSION)

    @classmethod
    def parse(cls, arguments: dict[str, Any]) -> Self:
        """Validate a task's keyword arguments. Raise `MessageRejected` with the first error."""
        try:
            return cls.model_validate(arguments)
        except ValidationError as error:
            raise MessageRejected(_first_error(error)) from error


class MessageJob(BaseModel):
    """One job of a message: the `id` of a job in the ledger, or a `text` with or without `key`."""

    model_config = ConfigDict(extra="forbid", strict=True)

    id: uuid.UUID | None = Field(None, strict=False)
    text: str | None = None
    key: str | None = Field(None, min_length=1, max_length=LONGEST_KEY)
    deadline: AwareDatetime | None = Field(None, strict=False)

    @model_validator(mode="after")
    def has_id_or_text(self) -> MessageJob:
        if (self.id is None) == (self.text is None):
            raise ValueError("a job has either an id or a text")
        if self.id is not None and (self.key is not None or self.deadline is not None):
            raise ValueError("a job with an id has neither key nor deadline; the ledger knows them")
        return self

    def expiring(self, latest: datetime) -> MessageJob:
        deadline = latest if self.deadline is None else min(self.deadline, latest)
        return self.model_copy(update={"deadline": deadline})


class ScoreMessage(_Message):
    """The keyword arguments of the task `plumbline.score`."""

    source: str = Field(SOURCE, min_length=1, max_length=LONGEST_SOURCE)
    jobs: list[MessageJob] = Field(min_length=1, max_length=MAX_JOBS)

    @field_validator("source")
    @classmethod
    def can_be_stored(cls, source: str) -> str:
        if reason := invalid_reason(source, LONGEST_SOURCE):
            raise ValueError(f"the source {reason}")
        return source

    @property
    def brings_texts(self) -> bool:
        return any(job.text is not None for job in self.jobs)

    def sent_by(self, source: str | None) -> ScoreMessage:
        """Return the message with this source unless it names one itself; None changes nothing."""
        if source is None or "source" in self.model_fields_set:
            return self
        return self.model_copy(update={"source": source})

    def expiring(self, latest: datetime | None) -> ScoreMessage:
        """Return the message with a latest deadline for the texts that it brings; None is none.

        A text that the ledger already has keeps its own deadline.
        """
        if latest is None:
            return self
        jobs = [job if job.text is None else job.expiring(latest) for job in self.jobs]
        return self.model_copy(update={"jobs": jobs})


class MessageLabel(BaseModel):
    """One label. Its job is named by `job_id`, or by the `source` and `key` of the submission.

    `by` names the labeller. In the list of a source, both are the source unless named. `sampling`
    is how the text was chosen for labelling.
    """

    model_config = ConfigDict(extra="forbid", strict=True)

    label: str = Field(min_length=1, max_length=LONGEST_LABEL)
    by: str = ""
    job_id: uuid.UUID | None = Field(None, strict=False)
    source: str = SOURCE
    key: str | None = None
    # Lenient, because JSON has only the string.
    sampling: Sampling | None = Field(None, strict=False)

    @model_validator(mode="after")
    def names_one_job(self) -> MessageLabel:
        if (self.job_id is None) == (self.key is None):
            raise ValueError("a label names its job by job_id, or by key and source")
        return self

    @field_validator("by", "source")
    @classmethod
    def is_valid_source(cls, value: str) -> str:
        if reason := invalid_reason(value, LONGEST_SOURCE):
            raise ValueError(f"it {reason}")
        return value

    @field_validator("key")
    @classmethod
    def is_valid_key(cls, value: str | None) -> str | None:
        if value is not None and (reason := invalid_reason(value, LONGEST_KEY)):
            raise ValueError(f"it {reason}")
        return value

    def entry(self, sender: str | None) -> LabelEntry:
        job_id = self.job_id
        if job_id is None:
            assert self.key is not None, "names_one_job checks it"
            named = sender is None or "source" in self.model_fields_set
            job_id = keyed_id(self.source if named else str(sender), self.key)
        return LabelEntry(job_id, self.label, self.by or str(sender), self.sampling)


class LabelMessage(_Message):
    """The keyword arguments of the task `plumbline.label`."""

    labels: list[MessageLabel] = Field(min_length=1, max_length=MAX_JOBS)

    def entries(self, sender: str | None = None) -> list[LabelEntry]:
        """Return the labels; what they do not name is `sender`, the source of the message's list.

        Raises MessageRejected if there is neither.
        """
        for position, label in enumerate(self.labels):
            if sender is None and not label.by:
                raise MessageRejected(f"labels.{position}.by: Field required")
        return [label.entry(sender) for label in self.labels]


def _first_error(error: ValidationError) -> str:
    """Return where a message is invalid and why, without its own content."""
    first = error.errors(include_input=False, include_url=False)[0]
    parts = list(first["loc"])
    if first["type"] == "extra_forbidden":
        # The sender chose this name, and the sentence goes into a log.
        parts[-1] = "(unknown)"
    place = ".".join(str(part) for part in parts) or "message"
    return f"{place}: {first['msg']}"
