import getpass
import os

import pytest

from plumbline.cli.user import current_user


def test_user_has_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "nadia")
    assert current_user() == "nadia"


@pytest.mark.parametrize("error", [KeyError("uid not found: 4711"), OSError("no user name")])
def test_user_without_a_name_is_recorded_by_number(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def getuser() -> str:
        raise error

    monkeypatch.setattr(getpass, "getuser", getuser)
    assert current_user() == f"user {os.getuid()}"
