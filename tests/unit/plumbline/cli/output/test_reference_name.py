from __future__ import annotations

import pytest

from plumbline.cli.output.reference_name import reference_name
from storage.states import ReferenceKind
from tests.drift_rows import drift_report


@pytest.mark.parametrize("kind", list(ReferenceKind))
def test_only_the_profile_is_called_validation_texts(kind: ReferenceKind) -> None:
    name = reference_name(drift_report(reference=str(kind)))
    assert ("validation texts of m/1.0.0" in name) == (kind is ReferenceKind.PROFILE)


def test_each_kind_of_reference_has_a_name_of_its_own() -> None:
    names = {reference_name(drift_report(reference=str(kind))) for kind in ReferenceKind}
    assert len(names) == len(ReferenceKind)
