from pathlib import Path

import pytest

from plumbline.embedded.errors import FolderBusy
from plumbline.embedded.lock import exclusive_lock
from plumbline_client.services import is_locked


def test_only_one_holder_gets_the_lock(tmp_path: Path) -> None:
    path = tmp_path / "state" / "up.lock"
    assert not is_locked(path)
    with exclusive_lock(path, "busy"):
        assert is_locked(path)
        with pytest.raises(FolderBusy, match=r"^taken$"), exclusive_lock(path, "taken"):
            pass
        assert is_locked(path)
    assert not is_locked(path)
