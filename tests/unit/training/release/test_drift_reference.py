import pytest

from scoring.artifact.profile import CATEGORIES, MAX_ROWS, NUMBERS
from scoring.input.features import INPUT_FEATURES
from scoring.input.tokenizer import Tokenizer
from scoring.score import Decision, Score
from tests.paths import SHIPPED
from training.release.drift_reference import BINS, build_familiarity, build_profile


def score(probability: float, decision: Decision = Decision.POSITIVE) -> Score:
    return Score(
        probability=probability,
        label="advert",
        confidence=probability,
        decision=decision,
        ranked=(),
        tokens=3,
        windows=1,
        window_rule="mean",
        tokenize_ms=0.1,
        infer_ms=1.0,
        features={name: float(n) for n, name in enumerate(INPUT_FEATURES)},
        notes=(),
        model="toy/1.0.0",
    )


def test_profile_has_one_rounded_value_per_score() -> None:
    scores = [score(1 / 3, Decision.REVIEW), score(0.9)]
    profile = build_profile("toy/1.0.0", "validation", scores)
    assert (profile.model, profile.split, profile.rows) == ("toy/1.0.0", "validation", 2)
    assert set(profile.columns) == {*NUMBERS, *CATEGORIES}
    assert profile.columns["probability"] == [0.333333, 0.9]
    assert profile.columns["decision"] == ["review", "positive"]
    assert profile.columns[INPUT_FEATURES[3]] == [3.0, 3.0]


def test_histogram_counts_every_value_between_its_edges() -> None:
    values = [0.5, 0.5, 0.75, 1.0]
    histogram = build_profile("toy/1.0.0", "test", list(map(score, values))).histograms[
        "probability"
    ]
    assert len(histogram.edges) == BINS + 1
    assert (histogram.edges[0], histogram.edges[-1]) == (0.5, 1.0)
    assert (histogram.counts[0], histogram.counts[BINS // 2], histogram.counts[-1]) == (2, 1, 1)
    assert sum(histogram.counts) == len(values)


def test_profile_keeps_only_the_first_scores_of_a_large_split() -> None:
    scores = [score(0.8)] * MAX_ROWS + [score(0.9)]
    profile = build_profile("toy/1.0.0", "validation", scores)
    assert profile.rows == MAX_ROWS
    assert set(profile.columns["probability"]) == {0.8}
    assert sum(profile.histograms["probability"].counts) == MAX_ROWS


def test_familiarity_is_learned_from_texts_as_a_worker_cleans_them() -> None:
    tokenizer = Tokenizer.read(SHIPPED / "tokenizer.json")
    familiarity = build_familiarity(["call\0 me"], tokenizer, vocabulary=50_000)
    # A worker replaces the NUL character by this one.
    seen = "call\N{REPLACEMENT CHARACTER} me"
    known = familiarity.features(seen, tokenizer.encode(seen))
    assert (known["new_token_share"], known["new_triple_share"]) == (0.0, 0.0)
    unknown = familiarity.features("zebra", tokenizer.encode("zebra"))
    assert unknown["new_token_share"] == 1.0
    assert unknown["token_surprise"] > known["token_surprise"]
    assert unknown["new_pair_share"] == pytest.approx(1.0, abs=0.01)
