"""A submitted text as a row of the ledger: the same rule on every submission path."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from plumbline_client.defaults import MAX_TEXT_CHARS
from plumbline_client.durations import storable_duration
from plumbline_client.errors import TextRefused
from plumbline_client.identity import LONGEST_KEY, invalid_reason, keyed_id
from plumbline_client.text import clean

# Of a refused text with more bytes, twice as many as 200,000 characters have, not all is hashed.
READ_TEXT_BYTES = 8 * MAX_TEXT_CHARS
FINGERPRINT_CHARS = 1_000
# The columns of the JSON document that `to_document` writes, for `json_to_recordset`.
DOCUMENT_COLUMNS = (
    "id uuid, source text, key text, text text, text_sha256 bytea, notes text[], "
    "deadline timestamptz, deadline_s float8, not_before timestamptz, error text, former_id uuid"
)
# The deadline in SQL: a duration counts from the acceptance, by the clock of PostgreSQL.
DEADLINE = "coalesce(deadline, now() + make_interval(secs => deadline_s))"


@dataclass(frozen=True, slots=True)
class NewJob:
    """A job to insert. A refused job has an `error` and no text.

    A `deadline` that is a timedelta counts from the acceptance. `former_id` is the id that an
    earlier release may have given the same text.
    """

    id: uuid.UUID
    source: str
    text: str | None
    text_sha256: bytes
    key: str | None = None
    notes: tuple[str, ...] = ()
    deadline: datetime | timedelta | None = None
    error: str | None = None
    former_id: uuid.UUID | None = None
    not_before: datetime | None = None


def new_job(
    text: str,
    *,
    source: str,
    max_chars: int,
    key: str | None = None,
    deadline: datetime | timedelta | None = None,
    job_id: uuid.UUID | None = None,
) -> NewJob:
    """Return the job for a text. If the text cannot be scored, the job is already refused.

    The id follows from the key if there is one; otherwise it is `job_id`, or random.
    """
    error = _unusable_reason(key, deadline)
    if error is not None:
        key = deadline = None
    # A source may use a key once, so the key decides even if the caller passes an id.
    identity = keyed_id(source, key) if key is not None else job_id or uuid.uuid4()
    try:
        if error is not None:
            raise TextRefused(error)
        cleaned = clean(text, max_chars)
    except TextRefused as refusal:
        return NewJob(
            id=identity,
            source=source,
            text=None,
            text_sha256=refused_text_hash(text if isinstance(text, str) else repr(text)),
            key=key,
            deadline=deadline,
            error=str(refusal),
        )
    return NewJob(
        id=identity,
        source=source,
        text=cleaned.text,
        text_sha256=text_hash(text),
        key=key,
        notes=cleaned.notes,
        deadline=deadline,
    )


def text_hash(text: str) -> bytes:
    """Return the SHA-256 of the text in UTF-8; lone surrogates are encoded as their own bytes."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def refused_text_hash(text: str) -> bytes:
    """Return the hash of a refused text: of its length and its beginning if it is far too long.

    `plumbline.text_digest` implements the same rule: PostgreSQL refuses such a text before it reads
    it as a whole.
    """
    content = text.encode("utf-8", "surrogatepass")
    if len(content) <= READ_TEXT_BYTES:
        return hashlib.sha256(content).digest()
    beginning = text[:FINGERPRINT_CHARS].encode("utf-8", "surrogatepass")
    return hashlib.sha256(len(content).to_bytes(8, "big") + beginning).digest()


def to_document(jobs: Sequence[NewJob]) -> str:
    """Return the jobs as one JSON array.

    One document instead of one array per column: psycopg encodes arrays element by element.
    """
    return json.dumps([_fields(job) for job in jobs], default=str)


def _fields(job: NewJob) -> dict[str, Any]:
    # `dataclasses.asdict` takes four times as long, because it copies the values.
    fields = {name: getattr(job, name) for name in NewJob.__slots__}
    fields |= {"text_sha256": f"\\x{job.text_sha256.hex()}", "deadline_s": None}
    if isinstance(job.deadline, timedelta):
        seconds = storable_duration(job.deadline).total_seconds()
        fields |= {"deadline": None, "deadline_s": seconds}
    return fields


def _unusable_reason(key: str | None, deadline: datetime | timedelta | None) -> str | None:
    reason = invalid_reason(key, LONGEST_KEY) if key is not None else None
    if reason is not None:
        return f"the key {reason}"
    if isinstance(deadline, datetime) and deadline.utcoffset() is None:
        return "the deadline has no time zone"
    return None
