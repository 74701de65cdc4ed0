from plumbline.celery_config import SOCKET_TIMEOUT_S, VISIBILITY_TIMEOUT_S, broker_config


def test_visibility_timeout_is_set_everywhere_celery_reads_it() -> None:
    config = broker_config("redis://localhost:6379/0")
    for place in (config, config["broker_transport_options"]):
        assert place["visibility_timeout"] == VISIBILITY_TIMEOUT_S
    assert config["result_backend_transport_options"]["visibility_timeout"] == VISIBILITY_TIMEOUT_S


def test_socket_timeout_is_set() -> None:
    options = broker_config("redis://localhost:6379/0")["broker_transport_options"]
    assert options["socket_timeout"] == SOCKET_TIMEOUT_S
