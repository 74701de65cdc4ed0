from collections import Counter
from pathlib import Path

import pytest

from plumbline.cli.sample import check_sample, sentences
from plumbline.errors import OptionInvalid
from storage.jobs.samples import SampleRequest
from storage.states import Sampling

RANDOM, UNCERTAIN, UNFAMILIAR = Sampling.RANDOM, Sampling.UNCERTAIN, Sampling.UNFAMILIAR


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (SampleRequest(9, RANDOM, decision="review"), "does not stand for the other texts"),
        (SampleRequest(9, RANDOM, sources=["a"], per_source=True), "--per-source is for all"),
    ],
)
def test_sample_that_its_name_does_not_describe_is_refused(
    sample: SampleRequest, reason: str
) -> None:
    with pytest.raises(OptionInvalid, match=reason):
        check_sample(sample)


def test_uncertain_texts_of_one_decision_may_be_drawn() -> None:
    check_sample(SampleRequest(9, UNCERTAIN, decision="review", sources=["a"]))


def test_what_to_do_with_the_file_is_printed() -> None:
    assert sentences(SampleRequest(3, UNFAMILIAR, seed=7), Counter(a=3), Path("s.csv")) == [
        "3 texts, least familiar first (seed 7), are in s.csv; fill in the column label, then run: "
        "plumbline label s.csv"
    ]
    assert sentences(SampleRequest(3, RANDOM), Counter(a=3), None) == []


def test_sample_that_is_smaller_than_requested_is_reported() -> None:
    assert sentences(SampleRequest(9, RANDOM), Counter(a=3, b=1), None) == ["Only 4 texts match."]
    named = SampleRequest(3, RANDOM, sources=["a", "b\x1b", "c"])
    assert sentences(named, Counter({"a": 3, "b\x1b": 1}), None) == [
        "The source b\\x1b has only 1 such texts.",
        "The source c has only 0 such texts.",
    ]
    assert sentences(SampleRequest(3, RANDOM, per_source=True), Counter(a=1), None) == []
    (nothing,) = sentences(SampleRequest(3, UNFAMILIAR), Counter(), Path("s.csv"))
    assert "stores how familiar they are" in nothing
