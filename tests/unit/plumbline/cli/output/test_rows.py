from plumbline.cli.output.rows import row_values
from storage.tables import Alert, Job


def test_every_column_is_returned_by_name() -> None:
    values = row_values(Alert(id=7, rule="queue_age", value=1_200.0))
    assert (values["id"], values["rule"], values["value"]) == (7, "queue_age", 1_200.0)
    assert values.keys() == {column.key for column in Alert.__table__.columns}


def test_bytes_are_hexadecimal() -> None:
    assert row_values(Job(text_sha256=b"\x01\xff"))["text_sha256"] == "01ff"
