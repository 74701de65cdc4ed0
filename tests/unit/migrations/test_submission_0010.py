"""The copies in the migration are those of the code that they were made from."""

from __future__ import annotations

from migrations import client_0010, submission_0010
from plumbline_client import identity, new_job, text
from plumbline_client.defaults import MAX_TEXT_CHARS


def test_copies_equal_the_values_of_the_client() -> None:
    assert bytes.fromhex(submission_0010.NAMESPACE) == identity.NAMESPACE.bytes
    assert submission_0010.LONGEST_SOURCE == identity.LONGEST_SOURCE
    assert submission_0010.LONGEST_KEY == identity.LONGEST_KEY
    assert submission_0010.MAX_TEXT_CHARS == MAX_TEXT_CHARS
    assert submission_0010.READ_TEXT_BYTES == new_job.READ_TEXT_BYTES
    assert submission_0010.FINGERPRINT_CHARS == new_job.FINGERPRINT_CHARS
    assert client_0010.LONGEST_ERROR == text.LONGEST_ERROR
    assert f"ARRAY{[text.NUL_REPLACED, text.SURROGATE_REPLACED]}" == client_0010.NOTES


def test_every_column_of_a_document_is_read() -> None:
    """Except for the id of an earlier release, which only a message can have."""
    columns = {column.split()[0] for column in new_job.DOCUMENT_COLUMNS.split(", ")}
    record = client_0010.SUBMIT_MANY.partition("json_to_recordset(jobs) AS (")[2]
    names = {part.split()[0] for part in record.partition(")")[0].split(",")}
    assert names == columns - {"former_id"}
