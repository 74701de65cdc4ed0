import math
from pathlib import Path

import pytest
from tokenizers import Regex
from tokenizers.normalizers import Replace

from plumbline_client.errors import TextRefused
from scoring.artifact.artifact import Artifact
from scoring.artifact.config import SPECIAL_TOKENS as WRAP
from scoring.artifact.config import ScoringConfig
from scoring.errors import ScoringError
from scoring.input.features import INPUT_FEATURES
from scoring.input.tokenizer import SPECIALS
from scoring.runtime.cores import MAX_THREADS
from scoring.runtime.fakes import ConstantRuntime, FailingRuntime, SumRuntime
from scoring.runtime.options import RuntimeOptions
from scoring.score import Decision, RankedLabel, sigmoid
from scoring.scorer import LONG_WINDOW, Scorer
from tests.artifacts import write_artifact

WIN = len(SPECIALS)


def artifact(root: Path, config: ScoringConfig | None = None) -> Artifact:
    return Artifact.load(write_artifact(root, config=config))


def test_model_reads_the_text_between_cls_and_sep_without_padding(tmp_path: Path) -> None:
    runtime = ConstantRuntime()
    tiny = artifact(tmp_path)
    Scorer(tiny, runtime).score("win a prize")
    cls, sep = tiny.tokenizer.cls_id, tiny.tokenizer.sep_id
    assert runtime.seen == [[cls, WIN, WIN + 1, WIN + 2, sep]]


def test_score_has_all_fields(tmp_path: Path) -> None:
    score = Scorer(artifact(tmp_path), ConstantRuntime(math.log(9))).score("win a\x00 prize")
    assert (score.label, score.decision, score.model) == ("spam", Decision.POSITIVE, "tiny/1.0.0")
    assert score.probability == score.confidence == pytest.approx(0.9)
    assert score.ranked == (RankedLabel("spam", score.probability),)
    assert (score.tokens, score.windows, score.window_rule) == (4, 1, "mean")
    assert score.notes == ("nul_replaced",)
    assert tuple(score.features) == INPUT_FEATURES
    assert score.score_ms == score.tokenize_ms + score.infer_ms > 0.0


def test_temperature_divides_the_logit(tmp_path: Path) -> None:
    config = ScoringConfig(labels=("ham", "spam"), temperature=2.0)
    score = Scorer(artifact(tmp_path, config), ConstantRuntime(3.0)).score("win")
    # Exactly, as in the releases before the bias.
    assert score.probability == sigmoid(3.0 / 2.0)


def test_bias_is_added_to_the_logit_of_each_window(tmp_path: Path) -> None:
    config = ScoringConfig(
        ("ham", "spam"), temperature=2.0, max_tokens=3, window_overlap=0, bias=-2.0
    )
    scorer = Scorer(artifact(tmp_path, config), ConstantRuntime(3.0))
    assert scorer.window_logits("win six") == [3.0, 3.0]
    score = scorer.score("win six")
    assert score.probability == pytest.approx(sigmoid(-0.5))
    assert score.label == "ham"


def test_long_text_is_scored_in_windows_that_cover_every_token(tmp_path: Path) -> None:
    config = ScoringConfig(labels=("ham", "spam"), max_tokens=5, window_overlap=1)
    runtime = ConstantRuntime()
    score = Scorer(artifact(tmp_path, config), runtime).score("win a prize see you at six")
    windows = [window[1:-1] for window in runtime.seen]
    assert windows == [[WIN, WIN + 1, WIN + 2], [WIN + 2, WIN + 3, WIN + 4],
                       [WIN + 4, WIN + 5, WIN + 6]]  # fmt: skip
    assert (score.tokens, score.windows) == (7, 3)


def test_only_a_long_window_uses_free_cores_and_all_windows_of_a_text_the_same(
    tmp_path: Path,
) -> None:
    runtime, free = ConstantRuntime(), [2, 16]
    options = RuntimeOptions(free_cores=lambda: free.pop(0))
    scorer = Scorer(artifact(tmp_path), runtime, options=options)
    scorer.score("win " * (LONG_WINDOW - WRAP - 1))
    assert runtime.threads == [1]
    scorer.score("win " * (LONG_WINDOW - WRAP))
    assert runtime.threads == [1, 2]
    scorer.score("win " * 1000)
    assert runtime.threads[2:] == [MAX_THREADS] * 3
    assert not free, "the cores are counted once per long text"


@pytest.mark.parametrize(
    ("text", "tokens"), [("win a prize", 5), ("", 0), ("x" * 300_000, 0), ("win " * 1000, 512)]
)
def test_window_tokens_is_the_longest_input_of_the_model(
    tmp_path: Path, text: str, tokens: int
) -> None:
    assert Scorer(artifact(tmp_path), ConstantRuntime()).window_tokens(text) == tokens


@pytest.mark.parametrize("rule", ["mean", "max"])
def test_windows_are_scored_separately_and_combined_by_the_rule(tmp_path: Path, rule: str) -> None:
    config = ScoringConfig(("ham", "spam"), max_tokens=3, window_overlap=0, window_rule=rule)
    scorer = Scorer(artifact(tmp_path, config), SumRuntime())
    separate = [scorer.score(word).probability for word in ("win", "six")]
    combined = scorer.score("win six").probability
    assert combined == pytest.approx(max(separate) if rule == "max" else sum(separate) / 2)
    assert separate[0] != separate[1]


def test_text_of_only_unknown_words_is_for_review(tmp_path: Path) -> None:
    score = Scorer(artifact(tmp_path), ConstantRuntime(9.0)).score("ze\x00bra")
    assert score.features["unknown_share"] == 1.0
    assert (score.label, score.decision) == ("spam", Decision.REVIEW)
    assert score.notes == ("nul_replaced", "mostly_unread")


def test_text_without_tokens_is_refused_but_has_a_logit(tmp_path: Path) -> None:
    """A tokenizer may drop characters; an evaluation rates every text of its split."""
    runtime = ConstantRuntime()
    tiny = artifact(tmp_path)
    tiny.tokenizer._tokenizer.normalizer = Replace(Regex("."), "")
    scorer = Scorer(tiny, runtime)
    with pytest.raises(TextRefused, match="nothing that the model can read"):
        scorer.score("win")
    assert runtime.seen == []
    assert len(scorer.window_logits("win")) == 1
    assert runtime.seen == [[tiny.tokenizer.cls_id, tiny.tokenizer.sep_id]]


def test_invalid_text_never_reaches_the_model(tmp_path: Path) -> None:
    runtime = ConstantRuntime()
    scorer = Scorer(artifact(tmp_path), runtime, max_chars=10)
    for text in (" ", "x" * 11):
        with pytest.raises(TextRefused):
            scorer.score(text)
    assert runtime.seen == []


def test_model_failure_is_a_scoring_error(tmp_path: Path) -> None:
    with pytest.raises(ScoringError, match="The model failed"):
        Scorer(artifact(tmp_path), FailingRuntime()).score("win")
