import pytest

from scoring.artifact.model_ref import ModelRef
from scoring.errors import ArtifactMissing


def test_reference_is_a_name_and_three_numbers() -> None:
    ref = ModelRef.parse("sms-spam/1.20.3")
    assert (ref.name, ref.version, ref.semver, str(ref)) == (
        "sms-spam", (1, 20, 3), "1.20.3", "sms-spam/1.20.3"
    )  # fmt: skip


def test_versions_are_ordered_numerically() -> None:
    refs = ["b/1.0.0", "a/1.10.0", "a/1.9.9", "a/2.0.0"]
    ordered = [str(ref) for ref in sorted(ModelRef.parse(ref) for ref in refs)]
    assert ordered == ["a/1.9.9", "a/1.10.0", "a/2.0.0", "b/1.0.0"]


@pytest.mark.parametrize(
    "invalid",
    ["", "sms-spam", "sms-spam/1.0", "sms-spam/01.0.0", "sms-spam/1.0.0-beta", "../x/1.0.0",
     "a/b/1.0.0", "Sms/1.0.0", "/1.0.0", "a/1.0.0 ", "a/1.0.0\n", ".hidden/1.0.0"],
)  # fmt: skip
def test_other_form_is_rejected(invalid: str) -> None:
    with pytest.raises(ArtifactMissing, match="is not a model version; write NAME/VERSION"):
        ModelRef.parse(invalid)
