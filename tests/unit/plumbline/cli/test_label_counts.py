import uuid

from plumbline.cli.label_counts import LabelCounts, SkippedRow
from plumbline.cli.label_rows import JobName
from storage.jobs.contradictions import Contradictions, LabelledJob
from storage.jobs.labels import LabelOutcome

ONE, TWO = uuid.UUID(int=1), uuid.UUID(int=2)


def test_every_row_is_counted() -> None:
    counts = LabelCounts(unlabelled=2)
    unusable = [SkippedRow("unusable", line, "invalid") for line in range(2, 5)]
    for _ in range(3):
        counts.add(
            LabelOutcome(accepted=4, changed=2, known=1),
            [
                SkippedRow("unknown", 1, "which job?"),
                SkippedRow("refused", 5, "whose job?"),
                *unusable,
            ],
            [7],
        )
    assert counts.counts() == {
        "accepted": 12,
        "changed": 6,
        "known": 3,
        "unlabelled": 2,
        "unknown": 3,
        "refused": 3,
        "unusable": 9,
    }
    assert counts.errors.count == 15
    assert counts.errors.first[:2] == [(1, "which job?"), (5, "whose job?")]
    assert counts.document()["contradictory"] == {"count": 3, "lines": [7, 7, 7]}


def test_skipped_row_names_its_job_for_programs() -> None:
    row = SkippedRow("unknown", 3, "there is none", "unknown_job", JobName(ONE, "k", "shop"))
    assert row.document() == {
        "kind": "unknown",
        "line": 3,
        "error": "there is none",
        "problem": "unknown_job",
        "job_id": ONE,
        "source": "shop",
        "key": "k",
    }
    assert SkippedRow("unusable", 3, "why").document()["job_id"] is None


def test_contradictions_are_described() -> None:
    assert LabelCounts().sentences() == []
    pair = (LabelledJob(ONE, "shop", "k-1"), LabelledJob(TWO, "mail", None))
    counts = LabelCounts(contradictions=Contradictions(3, [pair]))
    counts.add(LabelOutcome(changed=1), [], [9])
    assert counts.sentences() == [
        "Labels contradict an earlier line about the same job, and the last line counts: 1 (line "
        "9).",
        "Texts are labelled 0 in one job and 1 in another: 3, such as the job with the key 'k-1' "
        f"of the source 'shop' and the job {TWO}.",
    ]
    assert counts.document()["contradictory_texts"] == {"count": 3, "jobs": [[ONE, TWO]]}
