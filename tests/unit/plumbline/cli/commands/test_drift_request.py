from __future__ import annotations

from typing import Any

import pytest

from plumbline.cli.commands.drift_request import task_arguments
from plumbline.errors import OptionInvalid
from storage.states import ReferenceKind


def test_default_request_has_no_argument_that_an_older_worker_does_not_know() -> None:
    assert task_arguments() == {}
    assert task_arguments(source="shop") == {"source": "shop"}


def test_every_option_becomes_an_argument() -> None:
    arguments = task_arguments(
        source="shop",
        last=500,
        reference=ReferenceKind.WINDOW,
        reference_since="2026-01-01T00:00+00:00",
        reference_until="2026-01-02T00:00+00:00",
        text=True,
    )
    assert arguments == {
        "source": "shop",
        "last": 500,
        "reference": "window",
        "reference_since": "2026-01-01T00:00:00+00:00",
        "reference_until": "2026-01-02T00:00:00+00:00",
        "text": True,
    }
    assert task_arguments(since="2026-01-01T01:00+01:00") == {"since": "2026-01-01T00:00:00+00:00"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"since": "1h", "last": 5}, "--since and --last exclude each other"),
        ({"reference_since": "1d"}, "--reference-since refers to an earlier window"),
        ({"reference_until": "1d"}, "--reference-until refers to an earlier window"),
        ({"text": True}, "--text compares texts, and a profile contains none"),
        ({"text": True, "reference": ReferenceKind.PROFILE}, "add --reference window as well"),
        (
            {"reference": ReferenceKind.WINDOW, "reference_since": "1d", "reference_until": "2d"},
            "--reference-since must be before --reference-until",
        ),
        ({"reference": ReferenceKind.WINDOW, "reference_since": "soon"}, "--reference-since "),
        ({"since": "soon"}, "--since "),
    ],
)
def test_contradicting_or_incomplete_options_are_refused(
    options: dict[str, Any], message: str
) -> None:
    with pytest.raises(OptionInvalid) as refusal:
        task_arguments(**options)
    assert message in str(refusal.value)
