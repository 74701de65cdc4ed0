"""From a text as somebody sent it to a job the ledger can hold: the same rule at every door."""

from __future__ import annotations

import uuid
from datetime import datetime

from scoring.errors import TextRefused
from scoring.input.text import clean
from storage.jobs.identity import LONGEST_KEY, fault, keyed_id, random_id
from storage.jobs.ledger import NewJob, text_hash


def new_job(
    text: str,
    *,
    source: str,
    max_chars: int,
    key: str | None = None,
    deadline: datetime | None = None,
    job_id: uuid.UUID | None = None,
) -> NewJob:
    """Return the job for a text; a text that cannot be scored gives one that is refused already.

    The id is the key's where there is a key, else `job_id`, else random.
    """
    error = unusable(key, deadline)
    if error is not None:
        key = deadline = None
    # One source may use a key once, so the key decides even where the caller brought an id.
    identity = keyed_id(source, key) if key is not None else job_id or random_id()
    try:
        if error is not None:
            raise TextRefused(error)
        cleaned = clean(text, max_chars)
    except TextRefused as refusal:
        return NewJob(
            id=identity,
            source=source,
            text=None,
            text_sha256=text_hash(text if isinstance(text, str) else repr(text)),
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


def unusable(key: str | None, deadline: datetime | None) -> str | None:
    """What is wrong with what came beside a text; None where nothing is."""
    wrong = fault(key, LONGEST_KEY) if key is not None else None
    if wrong is not None:
        return f"the key {wrong}"
    if deadline is not None and deadline.utcoffset() is None:
        return "the deadline has no time zone"
    return None
