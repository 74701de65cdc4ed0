"""What the list of a message proves, as a decision without servers."""

from __future__ import annotations

import pytest

from storage.sources import Binding
from worker.processing.message_source import refusal, source_of_list

OPEN = Binding(bound=False, queue=False, closed=False)
CLOSED = Binding(bound=False, queue=False, closed=True)
TO_ROLE = Binding(bound=True, queue=False, closed=False)
TO_LIST = Binding(bound=True, queue=True, closed=False)
TO_LIST_AND_CLOSED = Binding(bound=True, queue=True, closed=True)


@pytest.mark.parametrize(
    ("list_name", "source"),
    [
        (None, None),
        ("plumbline.score", None),
        ("plumbline.score#7", None),
        ("plumbline:plumbline.bulk", None),
        ("plumbline.score@", None),
        ("plumbline.score@billing", "billing"),
        ("plumbline:plumbline.bulk@a.b-c_d", "a.b-c_d"),
        ("plumbline.score@billing\x06\x163", "billing"),
    ],
)
def test_source_is_read_from_the_name_of_the_list(
    list_name: str | None, source: str | None
) -> None:
    assert source_of_list(list_name) == source


@pytest.mark.parametrize(
    ("binding", "list_source", "reason"),
    [
        (OPEN, None, None),
        (OPEN, "billing", None),
        (OPEN, "web", "the list of web brings no texts of billing"),
        (CLOSED, None, "billing is not bound, and this installation is closed"),
        (CLOSED, "billing", "billing is not bound, and this installation is closed"),
        (TO_ROLE, None, "texts of billing come only from the roles"),
        (TO_ROLE, "billing", "texts of billing come only from the roles"),
        (TO_LIST, None, "texts of billing come only in the lists of this source"),
        (TO_LIST, "web", "the list of web brings no texts of billing"),
        (TO_LIST, "billing", None),
        (TO_LIST_AND_CLOSED, "billing", None),
    ],
)
def test_texts_of_a_source_come_as_it_is_bound(
    binding: Binding, list_source: str | None, reason: str | None
) -> None:
    said = refusal("billing", list_source, binding)
    assert said is None if reason is None else said is not None and said.startswith(reason)
