from __future__ import annotations

import os
import warnings

import pytest

from monitoring.drift.quiet_import import quiet_import


def warn(category: type[Warning], module: str) -> None:
    warnings.warn_explicit("old", category, filename=f"{module}.py", lineno=1, module=module)


@pytest.mark.parametrize("module", ["evidently.core.report", "litestar.app"])
def test_deprecations_in_evidently_and_its_server_are_ignored(module: str) -> None:
    with quiet_import():
        warn(DeprecationWarning, module)


@pytest.mark.parametrize(
    ("category", "module"),
    [
        (DeprecationWarning, "monitoring.drift.report"),
        (DeprecationWarning, "evidentlyother"),
        (UserWarning, "evidently.core.report"),
    ],
)
def test_other_warnings_remain(category: type[Warning], module: str) -> None:
    with quiet_import(), pytest.warns(category, match="old"):
        warn(category, module)


def test_warnings_are_no_longer_ignored_after_the_import() -> None:
    with quiet_import():
        pass
    with pytest.warns(DeprecationWarning):
        warn(DeprecationWarning, "evidently.core.report")


def test_usage_statistics_are_off_unless_the_user_decided_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("DO_NOT_TRACK", raising=False)
    with quiet_import():
        assert os.environ["DO_NOT_TRACK"] == "1"
    monkeypatch.setenv("DO_NOT_TRACK", "0")
    with quiet_import():
        assert os.environ["DO_NOT_TRACK"] == "0"
