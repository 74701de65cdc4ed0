from pathlib import Path

from pydantic import SecretStr

from plumbline.embedded.stack import celery_parts
from plumbline.settings import Settings


def ports(tmp_path: Path, metrics_port: int) -> list[tuple[bool, str]]:
    url = SecretStr("postgresql://nobody@localhost/none")
    settings = Settings(
        state_dir=tmp_path, metrics_port=metrics_port, database_url=url, broker_url=url
    )
    variable = "PLUMBLINE_METRICS_PORT"
    parts = celery_parts(settings)
    return [(part.node is not None, part.environment[variable]) for part in parts]


def test_each_worker_serves_its_metrics_on_a_port_of_its_own(tmp_path: Path) -> None:
    found = [port for works, port in ports(tmp_path, 9464) if works]
    assert found == ["9464", "9465", "9466"]


def test_without_a_port_none_does(tmp_path: Path) -> None:
    assert {port for _, port in ports(tmp_path, 0)} == {"0"}
