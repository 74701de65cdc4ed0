from plumbline.celery_config import SOCKET_TIMEOUT_S, VISIBILITY_TIMEOUT_S, broker_config


def test_the_visibility_timeout_is_said_wherever_celery_looks_for_it() -> None:
    config = broker_config("redis://localhost:6379/0")
    for place in (config, config["broker_transport_options"]):
        assert place["visibility_timeout"] == VISIBILITY_TIMEOUT_S
    assert config["result_backend_transport_options"]["visibility_timeout"] == VISIBILITY_TIMEOUT_S


def test_no_answer_is_waited_for_without_end() -> None:
    options = broker_config("redis://localhost:6379/0")["broker_transport_options"]
    assert options["socket_timeout"] == SOCKET_TIMEOUT_S
