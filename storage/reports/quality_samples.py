"""The counts of a quality report on a window with many predictions, from a sample of its texts.

The sample is stratified: of each source that has a report of its own, all texts are read up to a
number, and a random sample of as many beyond it. All labelled texts are counted.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, text

from storage.reports import quality_counts
from storage.reports.quality_counts import (
    LABELLED,
    NEWEST,
    OTHER_SOURCES,
    PREDICTED,
    SUMS,
    WindowCounts,
)
from storage.reports.text_samples import DRAWN, IN_WINDOW, Strata, count_texts, stratify
from storage.states import Role

# A window with no more predictions is counted, and a version with no more within a larger window.
# That takes 10 s for 150,000, because each is joined with its job and its labels.
EXACT_ROWS = 5_000
# So many texts are drawn of a larger window; more would narrow no interval that anybody sees.
SAMPLED_TEXTS = 10_000
CONFUSION = ("tp", "fp", "fn", "tn")
LABEL_COUNTS = (*CONFUSION, "random_positives", "random_negatives")
ESTIMATED_SUMS = (
    "wrong_positives",
    "wrong_positives_squared",
    "wrong_negatives",
    "wrong_negatives_squared",
)

# One probe of an index per version and role that the table has. Rows are compared so that each
# count is a range of the index of the versions.
VERSIONS = text("""
WITH RECURSIVE versions (model, role) AS (
    (SELECT model, role FROM plumbline.predictions ORDER BY model, role LIMIT 1)
    UNION ALL
    SELECT following.* FROM versions CROSS JOIN LATERAL (
        SELECT model, role FROM plumbline.predictions
        WHERE (predictions.model, predictions.role) > (versions.model, versions.role)
        ORDER BY model, role LIMIT 1) AS following
)
SELECT versions.model, versions.role, counted.*
FROM versions CROSS JOIN LATERAL (
    SELECT count(*) AS rows, min(scored_at) AS scored_from, max(scored_at) AS scored_to
    FROM plumbline.predictions
    WHERE (model, role, scored_at) >= (versions.model, versions.role, :window_from)
      AND (model, role, scored_at) < (versions.model, versions.role, :window_to)
) AS counted
WHERE counted.rows > 0
""")

SAMPLE = text(f"""
WITH {DRAWN}, scored AS (
    SELECT {PREDICTED}, CAST(NULL AS int) AS label, false AS random, CAST(NULL AS boolean) AS error,
           drawn.stratum AS reported_source, drawn.texts
    FROM drawn CROSS JOIN LATERAL (
        SELECT * FROM plumbline.predictions WHERE job_id = drawn.id OFFSET 0) AS predictions
)
SELECT model, role, reported_source AS source, {SUMS}, max(texts) AS texts
FROM scored GROUP BY model, role, reported_source
""")
LABELLED_ROWS = text(f"""
WITH chosen AS (
    SELECT * FROM unnest(CAST(:sources AS text[]), CAST(:strata AS text[]))
        AS chosen (source, reported_source)
), labelled AS MATERIALIZED (
    SELECT jobs.id, jobs.source FROM plumbline.jobs
    WHERE {IN_WINDOW.format(source="ANY (CAST(:sources AS text[]))")}
      AND id IN (SELECT job_id FROM plumbline.labels)
), scored AS (
    SELECT {PREDICTED}, {LABELLED}, chosen.reported_source
    FROM labelled JOIN chosen USING (source)
    JOIN plumbline.predictions ON predictions.job_id = labelled.id
    {NEWEST}
)
SELECT model, role, reported_source AS source, {SUMS}
FROM scored GROUP BY model, role, reported_source
""")


def count(
    connection: Connection,
    window_from: datetime,
    window_to: datetime,
    max_sources: int,
    *,
    exact_rows: int = EXACT_ROWS,
    texts: int = SAMPLED_TEXTS,
) -> list[WindowCounts]:
    """Count a window like `quality_counts.count`, from about `texts` texts if it has many more."""
    window = {"window_from": window_from, "window_to": window_to}
    versions = connection.execute(VERSIONS, window).all()
    texts_of: dict[str, int] = {}
    if sum(version.rows for version in versions) > exact_rows:
        texts_of = count_texts(connection, window_from, window_to)
    # Jobs without the time of their end are in no sample.
    if sum(texts_of.values()) < sum(row.rows for row in versions if row.role == Role.LIVE):
        texts_of = {}
    named = list(texts_of)[:max_sources]
    reported = {source: source if source in named else OTHER_SOURCES for source in texts_of}
    sampled = draw(connection, window, stratify(texts_of, reported, texts)) if texts_of else None
    if sampled is None:
        return quality_counts.count(connection, window_from, window_to, max_sources)
    counts: list[WindowCounts] = []
    for version in versions:
        key = (version.model, version.role)
        if version.rows <= exact_rows or key not in sampled:
            counts += quality_counts.count_version(connection, window_from, window_to, key, named)
        else:
            counts += [overall(version, sampled[key]), *sampled[key]]
    return counts


def draw(
    connection: Connection, window: Mapping[str, datetime], strata: Strata
) -> dict[tuple[str, str], list[WindowCounts]] | None:
    """Return the estimated counts of each source, by version and role; None if ids are not random.

    The strata are the sources that have reports of their own, and all others together.
    """
    parameters = {**window, **strata.parameters()}
    labelled = {key_of(row): row for row in connection.execute(LABELLED_ROWS, parameters)}
    drawn = {key_of(row): row for row in connection.execute(SAMPLE, parameters)}
    drawn_texts = {source: row.texts for (_, _, source), row in drawn.items()}
    if not strata.is_random(drawn_texts):
        return None
    counts: dict[tuple[str, str], list[WindowCounts]] = defaultdict(list)
    for key in sorted(drawn.keys() | labelled.keys()):
        model, role, source = key
        weight = strata.texts[source] / drawn_texts[source]
        counts[model, role].append(estimate(drawn.get(key), labelled.get(key), weight))
    return counts


def key_of(row: Any) -> tuple[str, str, str]:
    return row.model, row.role, row.source


def of_row(row: Any) -> WindowCounts:
    """Return a row of SUMS as counts, without the number of texts that may follow."""
    return WindowCounts(*(value for name, value in row._mapping.items() if name != "texts"))


def estimate(drawn: Any, labelled: Any, weight: float) -> WindowCounts:
    """Scale the counts of a sample up by `weight`; those of the labelled texts are complete.

    Either may be None, if no such text was drawn or labelled.
    """
    sample = of_row(drawn if drawn is not None else labelled)
    known = of_row(labelled) if labelled is not None else None
    counts = scaled(sample, weight if drawn is not None else 1.0)
    counts = replace(counts, sampled_rows=sample.rows, variances=variances(sample, weight))
    if known is None:
        return counts
    right = known.rows - known.tp - known.fp
    positives = max(counts.positives, known.tp + known.fp)
    return replace(
        counts,
        rows=max(counts.rows, positives + right),
        positives=positives,
        **{name: getattr(known, name) for name in LABEL_COUNTS},
    )


def scaled(counts: WindowCounts, factor: float) -> WindowCounts:
    return replace(
        counts,
        rows=round(factor * counts.rows),
        positives=round(factor * counts.positives),
        **{name: factor * getattr(counts, name) for name in ESTIMATED_SUMS},
        variances=[factor * factor * variance for variance in counts.variances],
    )


def variances(sample: WindowCounts, weight: float) -> list[float]:
    """Return those of the estimates of `positives`, `wrong_positives` and `wrong_negatives`.

    They are the variances of totals under simple random sampling without replacement (Cochran,
    Sampling Techniques, 1977). One more row is assumed, whose prediction is as uncertain as can be,
    so that a sample of rows that happen to be alike does not seem to be exact.
    """
    if weight <= 1.0:
        return [0.0, 0.0, 0.0]
    negatives = sample.rows - sample.positives
    share = (sample.positives + 0.5) / (sample.rows + 1)
    per_row = [
        (sample.rows, share - share * share),
        (
            sample.positives,
            variance(sample.positives, sample.wrong_positives, sample.wrong_positives_squared),
        ),
        (negatives, variance(negatives, sample.wrong_negatives, sample.wrong_negatives_squared)),
    ]
    return [weight * (weight - 1.0) * rows * each for rows, each in per_row]


def variance(rows: int, total: float, squares: float) -> float:
    """Return the variance of probabilities and of one more, which is 0.5."""
    mean = (total + 0.5) / (rows + 1)
    return (squares + 0.25) / (rows + 1) - mean * mean


def overall(version: Any, sources: Sequence[WindowCounts]) -> WindowCounts:
    """Return the counts of a version over all sources, whose predictions are counted exactly."""
    sums: dict[str, Any] = {
        name: sum(getattr(source, name) for source in sources)
        for name in ("rows", "positives", "sampled_rows", *ESTIMATED_SUMS, *CONFUSION)
    }
    for name in ("variances", "random_positives", "random_negatives"):
        sums[name] = [sum(each) for each in zip(*(getattr(s, name) for s in sources), strict=True)]
    total = replace(
        sources[0],
        source=None,
        scored_from=version.scored_from,
        scored_to=version.scored_to,
        **sums,
    )
    return replace(scaled(total, version.rows / total.rows), rows=version.rows)
