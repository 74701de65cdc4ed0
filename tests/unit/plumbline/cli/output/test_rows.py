from plumbline.cli.output.rows import row_values
from tests.rows import row


def test_every_column_is_returned_by_name() -> None:
    values = {"id": 7, "rule": "queue_age", "value": 1_200.0, "resolved_at": None}
    assert row_values(row(**values)) == values


def test_bytes_are_hexadecimal() -> None:
    assert row_values(row(text_sha256=b"\x01\xff")) == {"text_sha256": "01ff"}
