"""Short texts for the pipeline: real ones if there is a data set, else made ones."""

from __future__ import annotations

import csv
import gzip
import itertools
from pathlib import Path

from benchmarks.sample_texts import sample_text


def short_texts(data: Path | None, count: int) -> list[str]:
    """Return `count` texts of one line. `data` is a CSV file with the column `text`."""
    if data is None:
        return [sample_text(number) for number in range(count)]
    with gzip.open(data, "rt", encoding="utf-8", newline="") as file:
        texts = [" ".join(row["text"].split()) for row in csv.DictReader(file)]
    return list(itertools.islice(itertools.cycle(filter(None, texts)), count))


def write_lines(path: Path, texts: list[str]) -> Path:
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path
