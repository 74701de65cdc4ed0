from pathlib import Path

from plumbline.files import InvalidRow
from plumbline.labels import LabelValues
from training.data.data_report import REFUSED, REPLACED, DataReport, InvalidRows


def test_sentences_count_what_was_left_out_and_repaired() -> None:
    report = DataReport(contradictory=2)
    report.left_out.add(REFUSED, "a.csv:3")
    report.left_out.add("open_quote", "a.csv:5")
    report.repaired.add(REPLACED, "a.csv:9")
    assert report.sentences() == [
        "Texts that the worker would reject, such as empty ones, are left out: 1 (line a.csv:3).",
        "Rows are left out (open quote): 1 (line a.csv:5).",
        "Texts have NULs or lone surrogates, which are replaced: 1 (line a.csv:9).",
        "Texts are labelled 0 and 1: 2.",
    ]
    assert report.document() == {
        "left_out": {
            "refused_text": {"count": 1, "lines": ["a.csv:3"]},
            "open_quote": {"count": 1, "lines": ["a.csv:5"]},
        },
        "repaired": {"replaced_characters": {"count": 1, "lines": ["a.csv:9"]}},
        "contradictory": 2,
        "contradictory_lines": [],
        "other_values": {},
    }
    assert DataReport().sentences() == []


def test_contradictory_texts_and_values_that_no_option_names_are_listed() -> None:
    report = DataReport(values=LabelValues.parse(["spam"], []))
    assert report.values is not None
    report.values.parse_label("ok")
    report.add_contradictions([(f"a.csv:{n}", f"b.csv:{n}") for n in range(4)])
    assert report.sentences() == [
        "Texts are labelled 0 and 1: 4 (in a.csv:0 and b.csv:0, a.csv:1 and b.csv:1, a.csv:2 and "
        "b.csv:2).",
        "Labels that --positive does not name are the negative class: 'ok' (1).",
    ]
    assert report.document()["contradictory_lines"][0] == ["a.csv:0", "b.csv:0"]
    assert report.document()["other_values"] == {"ok": 1}


def test_invalid_rows_are_grouped_by_reason() -> None:
    rows = InvalidRows()
    rows.add(InvalidRow(62, "its quote is open"))
    assert rows.sentence(Path("d.csv")) == (
        "d.csv has a row that cannot be used (line 62: its quote is open); correct it, or leave "
        "out such rows with --skip-invalid."
    )
    for line in range(100, 112):
        rows.add(InvalidRow(line, "its split is unknown"))
    for line in range(200, 220):
        rows.add(InvalidRow(line, f"reason {line}"))
    sentence = rows.sentence(Path("d.csv"))
    assert sentence.startswith("d.csv has 33 rows that cannot be used (line 62: ")
    assert (
        "lines 100, 101, 102, 103, 104, 105, 106, 107, 108, 109 and 2 more: its split is unknown"
    ) in sentence
    assert sentence.endswith(
        "line 207: reason 207; and 12 more); correct them, or leave out such rows with "
        "--skip-invalid."
    )
