from training.data.composition import MAX_NAMES, composition, known_sources
from training.data.examples import Example
from training.data.splits import Splits

TRAIN = [Example("a", 1, "", "shop", "a.csv"), Example("b", 0, "", "", "a.csv")]
SPLITS = Splits(TRAIN, [Example("c", 0, "", "app", "b.csv")], [Example("d", 1, "", "app")], "f")


def test_texts_and_positives_are_counted_per_split_file_and_source() -> None:
    assert composition(SPLITS) == {
        **{"train": 2, "validation": 1, "test": 1},
        "positives": {"train": 1, "validation": 0, "test": 1},
        "files": {
            "a.csv": {"train": [2, 1], "validation": [0, 0], "test": [0, 0]},
            "b.csv": {"train": [0, 0], "validation": [1, 0], "test": [0, 0]},
        },
        "sources": {
            "app": {"train": [0, 0], "validation": [1, 0], "test": [1, 1]},
            "shop": {"train": [1, 1], "validation": [0, 0], "test": [0, 0]},
        },
    }


def test_only_sources_that_were_trained_on_are_known() -> None:
    assert known_sources(composition(SPLITS)) == {"shop"}
    for data in ({}, {"sources": None}, {"sources": {"shop": 3, "app": {}}}):
        assert known_sources(data) == frozenset()


def test_the_largest_of_many_sources_are_listed() -> None:
    train = [Example(f"t {n}", n % 2, "", f"s{n % 300}") for n in range(500)]
    sources = composition(Splits(train, [], [], ""))["sources"]
    assert len(sources) == MAX_NAMES
    assert all(counts["train"][0] == 2 for counts in sources.values())
