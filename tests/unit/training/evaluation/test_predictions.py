"""Probabilities computed from window logits equal those of the scorer."""

from pathlib import Path

import pytest
import tokenizers
from tokenizers.models import WordLevel
from tokenizers.normalizers import Replace
from tokenizers.pre_tokenizers import Whitespace

from scoring.artifact.artifact import Artifact
from scoring.artifact.config import ScoringConfig
from scoring.artifact.manifest import Manifest
from scoring.input.familiarity import Familiarity
from scoring.input.tokenizer import SPECIALS, UNKNOWN, Tokenizer
from scoring.input.windows import MAX, MEAN
from scoring.runtime.fakes import SumRuntime
from scoring.scorer import Scorer
from training.data.examples import Example
from training.evaluation.predictions import probabilities, score_all

MANIFEST = Manifest(
    name="toy",
    version="1.0.0",
    created_at="",
    parent=None,
    code_version="0",
    data={},
    metrics={},
    gates=[],
    files={},
)


def toy_scorer(config: ScoringConfig) -> Scorer:
    vocabulary = {word: n for n, word in enumerate([*SPECIALS, *"abcdefgh"])}
    words = tokenizers.Tokenizer(WordLevel(vocabulary, unk_token=UNKNOWN))
    words.pre_tokenizer = Whitespace()
    # As BERT's normalizer does.
    words.normalizer = Replace("\N{REPLACEMENT CHARACTER}", "")
    empty = Familiarity.learn([], [], len(vocabulary))
    return Scorer(Artifact(Path(), MANIFEST, config, Tokenizer(words), empty), SumRuntime())


@pytest.mark.parametrize("rule", [MEAN, MAX])
@pytest.mark.parametrize("bias", [0.0, -0.4])
def test_probability_equals_that_of_the_scorer(rule: str, bias: float) -> None:
    config = ScoringConfig(
        max_tokens=7, window_overlap=2, window_rule=rule, temperature=1.7, bias=bias
    )
    scorer = toy_scorer(config)
    for text in ("a b", "a b c d e", "a c e g b d f h a a a c h"):
        logits = scorer.window_logits(text)
        score = scorer.score(text)
        assert len(logits) == score.windows
        assert probabilities([logits], 1.7, rule, bias) == [score.probability]


def test_text_that_a_worker_rejects_has_no_score() -> None:
    examples = [Example(text, 0) for text in ("a b", "\N{REPLACEMENT CHARACTER}", "c")]
    assert [score.tokens for score in score_all([toy_scorer(ScoringConfig())], examples)] == [2, 1]
