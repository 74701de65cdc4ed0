from collections.abc import Iterable
from pathlib import Path

import pytest

from training.data.examples import TEST, TRAIN, VALIDATION, Example, normalise
from training.data.sms_archive import read_sms_archive
from training.data.splits import Splits, fingerprint, split_examples, unique
from training.errors import DataInvalid


def corpus(size: int = 400, split: str = "") -> list[Example]:
    return [Example(f"message {n} of many", int(n % 4 == 0), split) for n in range(size)]


def texts(examples: Iterable[Example]) -> set[str]:
    return {normalise(example.text) for example in examples}


def assert_disjoint(splits: Splits) -> None:
    train, validation, test = map(texts, (splits.train, splits.validation, splits.test))
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_split_is_stratified_complete_and_independent_of_order() -> None:
    examples = corpus()
    splits = split_examples(examples, 0.15)
    assert_disjoint(splits)
    assert len(splits.train) + len(splits.validation) + len(splits.test) == len(examples)
    for members, share in ((splits.test, 0.15), (splits.validation, 0.15 * 0.85)):
        assert len(members) == pytest.approx(share * 400, abs=3)
        assert sum(e.label for e in members) / len(members) == pytest.approx(0.25, abs=0.02)
    assert split_examples(examples[::-1], 0.15) == splits


def test_duplicates_stay_in_one_split() -> None:
    doubled = [
        *corpus(),
        *(Example(f"  MESSAGE {n}\tof MANY ", int(n % 4 == 0)) for n in range(400)),
    ]
    splits = split_examples(doubled, 0.15)
    assert_disjoint(splits)
    assert len(splits.test) == len(texts(splits.test))
    assert len(splits.train) > len(texts(splits.train))


def test_first_examples_of_a_split_are_a_random_sample() -> None:
    first = split_examples(corpus(4_000), 0.15).validation[:200]
    assert 0.15 < sum(example.label for example in first) / 200 < 0.35


def test_named_test_split_is_kept_and_validation_is_taken_from_training() -> None:
    named = [
        *corpus(300, TRAIN),
        *(Example(f"test {n}", n % 2, TEST) for n in range(100)),
    ]
    splits = split_examples(named, 0.15)
    assert texts(splits.test) == {f"test {n}" for n in range(100)}
    assert len(splits.validation) == pytest.approx(45, abs=2)
    assert all(example.text.startswith("message") for example in splits.validation)


def test_named_validation_split_is_kept() -> None:
    named = [
        *corpus(300, TRAIN),
        *(Example(f"check {n}", n % 2, VALIDATION) for n in range(20)),
    ]
    assert texts(split_examples(named, 0.15).validation) == {f"check {n}" for n in range(20)}


def test_text_named_in_several_splits_is_not_trained_on(caplog: pytest.LogCaptureFixture) -> None:
    named = [
        *corpus(300, TRAIN),
        *(Example(f"MESSAGE {n} of many", int(n % 4 == 0), TEST) for n in range(100)),
        *(Example(f"Message {n} of many", int(n % 4 == 0), VALIDATION) for n in range(50, 150)),
    ]
    splits = split_examples(named, 0.15)
    assert_disjoint(splits)
    assert len(splits.test) == 100
    assert texts(splits.validation) == {f"message {n} of many" for n in range(100, 150)}
    assert "150 training texts are also in the validation or test split" in caplog.text


def test_split_with_one_class_is_refused() -> None:
    lopsided = [*corpus(100, TRAIN), *(Example(f"t {n}", 0, TEST) for n in range(20))]
    with pytest.raises(DataInvalid, match="test split would contain one class only"):
        split_examples(lopsided, 0.15)


def test_fingerprint_depends_on_the_data_but_not_on_its_order() -> None:
    examples = corpus(60)
    changed = [*examples[:-1], Example(examples[-1].text, 1 - examples[-1].label)]
    assert fingerprint(examples) == fingerprint(examples[::-1])
    assert fingerprint(examples) != fingerprint(changed)


def test_unique_keeps_the_first_duplicate() -> None:
    assert unique([Example("A b", 0), Example("a  B", 1), Example("c", 1)]) == [
        Example("A b", 0),
        Example("c", 1),
    ]


@pytest.mark.data
def test_sms_collection_is_split_without_overlap(shared_data: Path) -> None:
    examples = read_sms_archive(shared_data / "sms_spam" / "SMSSpamCollection")
    assert_disjoint(split_examples(examples, 0.15))


def in_file(file: str, size: int, split: str = "", source: str = "") -> list[Example]:
    return [Example(f"{file} {source} {n}", n % 2, split, source, file) for n in range(size)]


def held_out(splits: Splits, **fields: str) -> list[int]:
    """Count the texts with these fields in train, validation and test."""
    return [
        sum(all(getattr(e, name) == value for name, value in fields.items()) for e in members)
        for members in (splits.train, splits.validation, splits.test)
    ]


def named_file(size: int = 300) -> list[Example]:
    return [
        *in_file("named", size, TRAIN),
        *in_file("named val", size // 5, VALIDATION),
        *in_file("named test", size // 5, TEST),
    ]


def test_new_labels_are_held_out_although_another_file_names_its_splits() -> None:
    examples = [*named_file(), *in_file("labels", 200)]
    splits = split_examples(examples, 0.15)
    assert held_out(splits, file="labels") == [144, 26, 30]
    assert held_out(splits, file="named") == [300, 0, 0]
    assert_disjoint(splits)
    assert {e.label for e in splits.test if e.file == "labels"} == {0, 1}
    assert split_examples(examples[::-1], 0.15) == splits


def test_each_source_is_held_out_in_proportion() -> None:
    examples = [
        *in_file("labels", 1_000, source="shop"),
        *in_file("labels", 100, source="app"),
        *(text for n in range(40) for text in in_file("labels", 1, source=f"client {n}")),
    ]
    splits = split_examples(examples, 0.15)
    assert held_out(splits, source="shop") == [722, 128, 150]
    assert held_out(splits, source="app") == [70, 14, 16]
    # Sources of one text are held out together: not each of them, and not none.
    single = [sum(e.source.startswith("client") for e in members) for members in (
        splits.train, splits.validation, splits.test)]  # fmt: skip
    assert single == [28, 6, 6]


def test_file_that_names_only_training_texts_is_trained_on() -> None:
    splits = split_examples([*named_file(), *in_file("extra", 50, TRAIN)], 0.15)
    assert held_out(splits, file="extra") == [50, 0, 0]


def test_rest_of_a_file_with_a_named_test_split_stays_out_of_test() -> None:
    rest = [Example(f"rest {n}", n % 2, "", "", "named test") for n in range(100)]
    splits = split_examples([*named_file(), *rest], 0.15)
    assert not [e for e in splits.test if e.text.startswith("rest")]
    assert len([e for e in splits.validation if e.text.startswith("rest")]) == 16


def test_new_label_of_a_text_that_is_tested_elsewhere_is_not_trained_on() -> None:
    again = [Example(e.text.upper(), e.label, "", "shop", "labels") for e in named_file()]
    splits = split_examples([*named_file(), *again, *in_file("labels", 100)], 0.15)
    assert_disjoint(splits)
    assert texts(e for e in named_file() if e.split == TEST) <= texts(splits.test)


def test_text_stays_in_the_test_split_when_labels_are_added() -> None:
    before = split_examples([*named_file(), *in_file("labels", 200)], 0.15)
    after = split_examples([*named_file(), *in_file("labels", 300)], 0.15)
    kept = texts(before.test) & texts(after.test)
    assert len(kept) >= len(before.test) - 3
