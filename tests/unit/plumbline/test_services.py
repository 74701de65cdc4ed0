import json
from pathlib import Path

import pytest

from plumbline.embedded.lock import exclusive_lock
from plumbline.services import Services, address_file, connected, lock_file
from plumbline.settings import Settings
from plumbline_client.errors import ServicesMissing


def test_addresses_of_a_run_that_ended_are_ignored(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, _env_file=None)
    urls = {"database_url": "postgresql://x@127.0.0.1:1/x", "broker_url": "redis://x:6379/0"}
    address_file(settings).write_text(json.dumps(urls))
    with pytest.raises(ServicesMissing, match="Nothing is running here"):
        connected(settings)
    with exclusive_lock(lock_file(settings), "busy"):
        services = connected(settings)
    assert services == Services(**urls)
