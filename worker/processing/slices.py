"""The slices in which a message is claimed, because no statement can hold all texts of any message.

A message may have 1,000 texts of 200,000 characters, and a statement with all of them exceeds what
PostgreSQL can hold in one value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from plumbline.messages import ScoreMessage

# Characters of text in a slice. Each takes up to six bytes in the statement, and as many again in
# the memory of both processes. One text may be longer.
SLICE_CHARS = 2_000_000
# A job that the message only names has a text too, whose length is not known.
UNKNOWN_CHARS = 2_000


@dataclass(frozen=True, slots=True)
class Slice:
    """Consecutive jobs of a message, as a message. `first` is the position of the first."""

    first: int
    message: ScoreMessage


def slices(message: ScoreMessage, *, one_by_one: bool = False) -> Iterator[Slice]:
    """Yield the message in slices of at most `SLICE_CHARS`, or each job by itself."""
    begin = chars = 0
    for position, job in enumerate(message.jobs):
        job_chars = UNKNOWN_CHARS if job.text is None else len(job.text)
        if position > begin and (one_by_one or chars + job_chars > SLICE_CHARS):
            yield _slice(message, begin, position)
            begin, chars = position, 0
        chars += job_chars
    yield _slice(message, begin, len(message.jobs))


def _slice(message: ScoreMessage, begin: int, end: int) -> Slice:
    if end - begin == len(message.jobs):
        return Slice(0, message)
    return Slice(begin, message.model_copy(update={"jobs": message.jobs[begin:end]}))
