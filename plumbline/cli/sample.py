"""The sample of texts to label that `plumbline results --sample` draws."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from sqlalchemy import Connection

from plumbline.cli.output import exports
from plumbline.cli.output.console import err
from plumbline.cli.output.sample_layout import sample_layout
from plumbline.errors import OptionInvalid
from plumbline.standard_streams import data_stream
from plumbline_client.visible import one_line
from storage.jobs.samples import SampledText, SampleRequest, draw
from storage.states import Sampling

ORDERS = {
    Sampling.RANDOM: "drawn at random",
    Sampling.UNCERTAIN: "least confident first",
    Sampling.UNFAMILIAR: "least familiar first",
}


@dataclass(frozen=True, slots=True)
class SampleOutput:
    """Where the sample goes, and in which format; `document` is the one of `--json`."""

    format: str
    path: Path | None = None
    document: bool = False
    raw: bool = False


@dataclass(slots=True)
class SourceCounts:
    """Counts the texts of each source while they are written."""

    counts: Counter[str] = field(default_factory=Counter)

    def counted(self, rows: Iterable[SampledText]) -> Iterator[SampledText]:
        for row in rows:
            self.counts[row.source] += 1
            yield row


def check_sample(request: SampleRequest) -> None:
    """Raise OptionInvalid if the sample would not be what its name says."""
    if request.by is Sampling.RANDOM and request.decision is not None:
        raise OptionInvalid(
            "A random sample of one decision does not stand for the other texts; leave out "
            "--decision, or draw --by uncertain."
        )
    if request.per_source and request.sources:
        raise OptionInvalid(
            "--per-source is for all sources; with --source, each named source has its own sample "
            "anyway."
        )


def write_sample(connection: Connection, request: SampleRequest, output: SampleOutput) -> None:
    """Write the sample, and print how many texts it has and what to do with them."""
    layout, tally = sample_layout(request.by), SourceCounts()
    rows = tally.counted(draw(connection, request))
    if output.document:
        exports.write_json(rows, data_stream(), layout)
    elif output.path is None:
        exports.write(rows, output.format, data_stream(), layout, raw=output.raw)
    else:
        exports.save(rows, output.format, output.path, layout, raw=output.raw)
    for sentence in sentences(request, tally.counts, output.path):
        err.print(sentence, markup=False, soft_wrap=True)


def sentences(request: SampleRequest, counts: Counter[str], path: Path | None) -> list[str]:
    """Return what is printed beside the sample."""
    total = counts.total()
    lines = []
    if path is not None and total:
        lines.append(
            f"{total:,} texts, {ORDERS[request.by]} (seed {request.seed}), are in {path}; fill in "
            f"the column label, then run: plumbline label {path}"
        )
    if not total:
        lines.append(no_texts(request))
    elif request.sources:
        lines += [
            f"The source {one_line(source)} has only {counts[source]:,} such texts."
            for source in request.sources
            if counts[source] < request.size
        ]
    elif not request.per_source and total < request.size:
        lines.append(f"Only {total:,} texts match.")
    return lines


def no_texts(request: SampleRequest) -> str:
    familiar = (
        " and a version that stores how familiar they are"
        if request.by is Sampling.UNFAMILIAR
        else ""
    )
    return (
        f"No texts match: a sample needs scored texts{familiar} that are still stored, not "
        "labelled yet, and of the live model unless --model names a version."
    )
