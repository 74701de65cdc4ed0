from plumbline.files.row_tally import RowTally


def test_rows_are_counted_by_kind_and_the_first_lines_are_kept() -> None:
    tally = RowTally()
    assert not tally
    for line in range(1, 2_001):
        tally.add("open_quote", line)
    tally.add("not_json", "d.jsonl:3")
    assert tally.document() == {
        "open_quote": {"count": 2_000, "lines": [1, 2, 3, 4, 5]},
        "not_json": {"count": 1, "lines": ["d.jsonl:3"]},
    }
    assert tally.places("open_quote") == "2,000 (lines 1, 2, 3, 4, 5 and 1,995 more)"
    assert tally.places("not_json") == "1 (line d.jsonl:3)"
