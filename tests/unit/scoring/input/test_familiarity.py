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


def test_text_from_training_has_nothing_new(learned: Familiarity) -> None:
    features = learned.features("win  a\tprize", [0, 1, 2])
    assert [features[name] for name in SHARES] == [0, 0, 0]


def test_text_unlike_training_is_entirely_new(learned: Familiarity) -> None:
    features = learned.features("ЖЖЖЖ", [4, 5])
    assert [features[name] for name in SHARES] == [1, 1, 1]


def test_shares_count_positions_in_the_text(learned: Familiarity) -> None:
    # " wiN ": pairs " w" and "wi" are known, "iN" and "N " new; of triples only " wi" is known.
    features = learned.features("wiN", [0, 4])
    assert features["new_pair_share"] == pytest.approx(2 / 4)
    assert features["new_triple_share"] == pytest.approx(2 / 3)
    assert features["new_token_share"] == pytest.approx(1 / 2)


def test_surprise_is_the_mean_negative_log_share(learned: Familiarity) -> None:
    # Token 1 occurs twice in five tokens, token 5 never; the prior adds half a count to each.
    expected = (-np.log(2.5 / 8) - np.log(0.5 / 8)) / 2
    assert learned.features("", [1, 5])["token_surprise"] == pytest.approx(expected)


def test_empty_text_has_zeros(learned: Familiarity) -> None:
    features = learned.features("", [])
    assert tuple(features) == FAMILIARITY_FEATURES
    assert features["token_surprise"] == 0.0


def test_lone_surrogate_is_a_character(learned: Familiarity) -> None:
    assert learned.features("\ud800\ud800", [])["new_pair_share"] == 1.0


def test_file_round_trips_and_is_reproducible(learned: Familiarity, tmp_path: Path) -> None:
    one, two = tmp_path / "one.npz", tmp_path / "two.npz"
    learned.write(one)
    learned.write(two)
    assert one.read_bytes() == two.read_bytes()
    read = Familiarity.read(one)
    for text, ids in (("win the tea", [0, 5, 3]), ("", [])):
        assert read.features(text, ids) == learned.features(text, ids)


@pytest.mark.parametrize("content", [b"", b"no archive", b"PK\x03\x04"])
def test_other_file_is_rejected(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "familiarity.npz"
    path.write_bytes(content)
    with pytest.raises(ArtifactInvalid, match=r"familiarity\.npz is not a familiarity file"):
        Familiarity.read(path)


def test_tables_of_another_size_are_rejected(learned: Familiarity, tmp_path: Path) -> None:
    path = tmp_path / "familiarity.npz"
    few = np.zeros(1, np.uint8)
    np.savez(path, surprise=learned.surprise, seen=few, pairs=few, triples=few)
    with pytest.raises(ArtifactInvalid, match="bytes are not"):
        Familiarity.read(path)
