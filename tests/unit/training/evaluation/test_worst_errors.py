import hashlib

from training.data.examples import Example
from training.evaluation.worst_errors import MAX_ERRORS, worst_errors

TEST = [
    Example("win a prize", 1, "", "shop", "a.csv", 7),
    Example("see you", 0, "", "", "a.csv", 8),
    Example("claim it", 1, "", "", "b.csv", 2),
]


def test_errors_are_listed_by_confidence_with_their_place() -> None:
    errors = worst_errors(TEST, [0.2, 0.4, 0.01])
    assert [(e.label, e.file, e.line, e.source) for e in errors] == [
        (1, "b.csv", 2, ""),
        (1, "a.csv", 7, "shop"),
    ]
    assert [e.confidence for e in errors] == [0.99, 0.8]
    assert errors[0].text_hash == hashlib.sha256(b"claim it").hexdigest()[:12]


def test_texts_are_kept_only_if_they_are_shown() -> None:
    hidden, shown = (worst_errors(TEST, [0.2, 0.9, 0.9], show_texts=s) for s in (False, True))
    assert [error.text for error in hidden] == [None, None]
    assert [error.text for error in shown] == ["see you", "win a prize"]


def test_each_class_has_its_worst_errors() -> None:
    test = [Example(f"t {n}", int(n >= 40)) for n in range(80)]
    errors = worst_errors(test, [0.9] * 40 + [0.3] * 40)
    assert [error.label for error in errors] == [0] * MAX_ERRORS + [1] * MAX_ERRORS
