import pytest
import redis

from plumbline_client.broker import Publisher, server_answer, translate_redis_errors
from plumbline_client.errors import BrokerRefuses, BrokerUrlInvalid


def test_invalid_url_raises_before_anything_is_accepted() -> None:
    with pytest.raises(
        BrokerUrlInvalid, match=r"^The broker URL does not start with redis://, .*\.$"
    ):
        Publisher("http://host")


@pytest.mark.parametrize(
    ("error", "answer"),
    [
        (redis.ConnectionError("Error 111 connecting to 127.0.0.1:1."), None),
        (redis.TimeoutError("Timeout reading from socket"), None),
        (redis.ResponseError("MISCONF its disk is full"), "MISCONF its disk is full"),
        (redis.ResponseError("ERR something"), "something"),
        (redis.exceptions.BusyLoadingError("LOADING it loads"), "LOADING it loads"),
        (redis.exceptions.AuthenticationError("NOAUTH no"), "NOAUTH no"),
        (redis.ConnectionError("max number of clients reached"), "max number of clients reached"),
        (
            redis.ResponseError(
                "Error running script (call to f_b19e): @user_script:6: @user_script: 6: "
                "-OOM command not allowed when used memory > 'maxmemory'."
            ),
            "OOM command not allowed when used memory > 'maxmemory'.",
        ),
    ],
)
def test_the_answer_of_redis_is_in_its_own_words(error: Exception, answer: str | None) -> None:
    assert server_answer(error) == answer


def test_the_code_that_redis_py_removes_is_restored() -> None:
    error = redis.exceptions.ReadOnlyError("You can't write against a read only replica.")
    error.status_code = "READONLY"
    assert server_answer(error) == "READONLY You can't write against a read only replica."


def test_a_refusal_quotes_the_answer_and_an_outage_does_not() -> None:
    with (
        pytest.raises(BrokerRefuses, match=r"^Redis at redis://h:6379/0 refuses: OOM full\.$") as e,
        translate_redis_errors("redis://h:6379/0"),
    ):
        raise redis.OutOfMemoryError("OOM full.")
    assert e.value.answer == "OOM full."
