from pathlib import Path

import numpy as np
import pytest

from scoring.errors import ArtifactInvalid
from scoring.input.familiarity import FAMILIARITY_FEATURES, Familiarity

SHARES = ("new_token_share", "new_pair_share", "new_triple_share")
TEXTS = ("win a prize", "tea at four")


@pytest.fixture
def learned() -> Familiarity:
    return Familiarity.learn(TEXTS, [[0, 1, 2], [3, 1]], vocabulary=6)


def test_what_training_showed_is_not_new(learned: Familiarity) -> None:
    found = learned.describe("win  a\tprize", [0, 1, 2])
    assert (found["new_token_share"], found["new_pair_share"], found["new_triple_share"]) == (
        0,
    ) * 3


def test_what_it_never_showed_is(learned: Familiarity) -> None:
    found = learned.describe("ЖЖЖЖ", [4, 5])
    assert (found["new_token_share"], found["new_pair_share"], found["new_triple_share"]) == (
        1,
    ) * 3


def test_shares_are_of_the_places_in_the_text(learned: Familiarity) -> None:
    # " wiN ": pairs " w" and "wi" are known, "iN" and "N " new; of triples only " wi" is known.
    found = learned.describe("wiN", [0, 4])
    assert found["new_pair_share"] == pytest.approx(2 / 4)
    assert found["new_triple_share"] == pytest.approx(2 / 3)
    assert found["new_token_share"] == pytest.approx(1 / 2)


def test_surprise_is_the_mean_of_minus_log_shares(learned: Familiarity) -> None:
    # Token 1 came twice of five, token 5 never; each has half a count for nothing.
    wanted = (-np.log(2.5 / 8) - np.log(0.5 / 8)) / 2
    assert learned.describe("", [1, 5])["token_surprise"] == pytest.approx(wanted)


def test_nothing_is_zeros(learned: Familiarity) -> None:
    found = learned.describe("", [])
    assert tuple(found) == FAMILIARITY_FEATURES
    assert found["token_surprise"] == 0.0


def test_a_lone_surrogate_is_a_character_like_any_other(learned: Familiarity) -> None:
    assert learned.describe("\ud800\ud800", [])["new_pair_share"] == 1.0


def test_it_is_read_as_it_was_written_and_the_same_each_time(
    learned: Familiarity, tmp_path: Path
) -> None:
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    learned.write(one)
    learned.write(two)
    assert one.read_bytes() == two.read_bytes()
    read = Familiarity.read(one)
    for text, ids in (("win the tea", [0, 5, 3]), ("", [])):
        assert read.describe(text, ids) == learned.describe(text, ids)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_what_is_none_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "familiarity.npz"
    path.write_bytes(content)
    with pytest.raises(ArtifactInvalid, match=r"familiarity\.npz says nothing"):
        Familiarity.read(path)


def test_tables_of_another_size_are_refused(learned: Familiarity, tmp_path: Path) -> None:
    path = tmp_path / "familiarity.npz"
    few = np.zeros(1, np.uint8)
    np.savez(path, surprise=learned.surprise, seen=few, pairs=few, triples=few)
    with pytest.raises(ArtifactInvalid, match="hold no"):
        Familiarity.read(path)
