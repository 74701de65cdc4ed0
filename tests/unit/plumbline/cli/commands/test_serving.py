import math
from pathlib import Path

import pytest

from plumbline.cli.commands.serving import check_share, load_candidate, load_verified
from plumbline.errors import OptionInvalid
from plumbline.settings import Settings
from scoring.errors import ArtifactInvalid, ArtifactMissing
from tests.artifacts import write_artifact


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 50.0, math.nan, math.inf])
def test_share_must_lie_between_0_and_1(share: float) -> None:
    with pytest.raises(OptionInvalid, match="but must lie between 0 and 1"):
        check_share(share, off=False)


def test_share_is_required_unless_the_canary_is_removed() -> None:
    check_share(0.1, off=False)
    check_share(None, off=True)
    with pytest.raises(OptionInvalid, match=r"for example --share 0\.1"):
        check_share(None, off=False)
    with pytest.raises(OptionInvalid, match="--off cannot be combined with --share"):
        check_share(0.1, off=True)


@pytest.mark.parametrize(("model", "off"), [(None, False), ("m/1.0.0", True)])
def test_either_a_version_or_off_must_be_named(
    model: str | None, off: bool, tmp_path: Path
) -> None:
    with pytest.raises(OptionInvalid, match="Name either a version or --off"):
        load_candidate(Settings(models_dir=tmp_path), model, off)
    assert load_candidate(Settings(models_dir=tmp_path), None, off=True) is None


def test_error_for_a_missing_default_model_names_the_command_that_installs_it(
    tmp_path: Path,
) -> None:
    with pytest.raises(ArtifactMissing, match="Run `plumbline models install-shipped`"):
        load_candidate(Settings(models_dir=tmp_path), "sms-spam", off=False)


def test_folder_must_have_the_name_of_its_version(tmp_path: Path) -> None:
    folder = write_artifact(tmp_path, "tiny", "1.0.0").rename(tmp_path / "tiny" / "1.0.1")
    with pytest.raises(ArtifactInvalid, match=r"is that of tiny/1\.0\.0; the folder must have"):
        load_verified(folder)
