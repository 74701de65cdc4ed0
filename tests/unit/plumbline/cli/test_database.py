import pytest

from plumbline.cli.database import database
from plumbline_client.errors import DatabaseUnavailable
from plumbline_client.services import Services


def test_unreachable_database_is_one_sentence_without_the_password() -> None:
    services = Services("postgresql://me:hunter2@127.0.0.1:1/x", "redis://127.0.0.1:1/0")
    with (
        pytest.raises(DatabaseUnavailable) as caught,
        database(services) as engine,
        engine.connect(),
    ):
        pass
    sentence = str(caught.value)
    assert sentence.endswith(".") and "\n" not in sentence
    assert "hunter2" not in sentence
