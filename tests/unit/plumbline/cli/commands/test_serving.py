import math
from datetime import UTC, datetime

import pytest

from plumbline.cli.commands.models import history_line, put_in_place, roles
from plumbline.cli.commands.serving import check_share, named
from plumbline.cli.output.console import format_percent
from plumbline.errors import OptionInvalid
from plumbline.settings import Settings
from storage.serving.deployments import DeploymentRecord, Serving


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 50.0, math.nan, math.inf])
def test_a_share_lies_between_none_and_all(share: float) -> None:
    with pytest.raises(OptionInvalid, match="and must lie between 0 and 1"):
        check_share(share, off=False)


def test_a_share_is_needed_for_a_version_alone() -> None:
    check_share(0.1, off=False)
    check_share(None, off=True)
    with pytest.raises(OptionInvalid, match=r"as in --share 0\.1"):
        check_share(None, off=False)
    with pytest.raises(OptionInvalid, match="--off has no --share"):
        check_share(0.1, off=True)


@pytest.mark.parametrize(("model", "off"), [(None, False), ("m/1.0.0", True)])
def test_either_a_version_or_none_is_named(model: str | None, off: bool) -> None:
    with pytest.raises(OptionInvalid, match="Name either a version or --off"):
        named(Settings(), model, off)
    assert named(Settings(), None, off=True) is None


def test_a_share_is_shown_as_it_was_given() -> None:
    assert [format_percent(share) for share in (0.1, 0.07, 0.001, 1 / 3)] == [
        "10%", "7%", "0.1%", "33.3333%"
    ]  # fmt: skip


def test_each_version_says_what_it_does_now() -> None:
    serving = Serving("m/1.0.0", "m/1.1.0", "m/1.1.0", 0.05)
    found = [roles(f"m/1.{minor}.0", serving) for minor in range(3)]
    assert found == ["live", "shadow, canary 5%", ""]
    assert roles("m/1.0.0", None) == ""


@pytest.mark.parametrize(
    ("action", "forced", "says", "of"),
    [
        ("promote", True, "Promoted {} by ann in spite of its gates: why", "live/1.0.0"),
        ("rollback", False, "Returned to {} by ann: why", "live/1.0.0"),
        ("shadow", False, "Shadow {} by ann: why", "shadow/1.0.0"),
        ("canary", False, "Canary for 25% of jobs {} by ann: why", "canary/1.0.0"),
    ],
)
def test_a_line_of_the_history_tells_what_became_of_whom(
    action: str, forced: bool, says: str, of: str
) -> None:
    at = datetime(2026, 3, 1, 12, tzinfo=UTC)
    entry = DeploymentRecord(
        "live/1.0.0", "ann", "why", at, forced, action, "shadow/1.0.0", "canary/1.0.0", 0.25
    )
    assert history_line(entry) == says.format(f"{at.astimezone():%Y-%m-%d %H:%M:%S}")
    assert put_in_place(entry) == of
