"""Alarms where live traffic was accepted as normal: how many are false, and what is detected.

    .venv/bin/python benchmarks/accepted_references.py --data FOLDER [--trials 200]

A version for SMS scores traffic that contains a share of texts from another source, and somebody
accepts it. Each trial draws the accepted texts and a window, without replacement, from texts that
the model was not trained on; the seed is fixed. FOLDER contains sms_spam, india_sms and clickbait,
each with a data.csv.gz.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from drift import ALPHA, HERE, Pool, examples, joined, plumbline, pool, splits
from rich.console import Console
from rich.progress import track
from rich.table import Table

from monitoring.drift.window import Columns
from scoring.scorer import Scorer
from training.data.examples import normalise
from training.data.splits import unique

WINDOW = 300
# As many texts of the third source as windows need; all are scored before the trials.
THIRD_SOURCE = 600


@dataclass(frozen=True, slots=True)
class Case:
    """`accepted` texts of which `share` are from the other source, then a window of WINDOW texts.

    Of these, `window_share` are from the other source and `shifted` from a third one.
    """

    accepted: int
    share: float
    window_share: float
    shifted: float = 0.0

    @property
    def name(self) -> str:
        if self.shifted:
            return f"and {self.shifted:.0%} from a third source"
        if self.window_share != self.share:
            return f"{self.window_share:.0%} from the other source instead"
        return "unchanged"


def cases() -> Iterator[Case]:
    for share in (0.04, 0.5):
        for accepted in (100, 600):
            yield Case(accepted, share, share)
            for shifted in (0.1, 0.2):
                yield Case(accepted, share, share, shifted)
        yield Case(600, share, share + 0.2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    pools = make_pools(options.data)
    selected = list(cases())
    work = partial(measure, pools=pools, trials=options.trials)
    with ProcessPoolExecutor(options.processes) as executor:
        results = executor.map(work, selected)
        rates = list(track(results, "trials", total=len(selected)))
    table = Table(title=f"reports that raise an alarm at {ALPHA:.0%}, of {options.trials}")
    for heading in ("accepted texts", "other source", "window", "alarms"):
        table.add_column(heading, justify="left" if heading == "window" else "right")
    for case, rate in zip(selected, rates, strict=True):
        table.add_row(f"{case.accepted:,}", f"{case.share:.0%}", case.name, f"{rate:.1%}")
    Console().print(table)


def make_pools(data: Path) -> dict[str, Pool]:
    sms = splits(data, "sms_spam")
    known = {normalise(e.text) for e in (*sms.train, *sms.validation, *sms.test)}
    scorer = Scorer.load(HERE.parent / "models" / "sms-spam" / "1.0.0")
    india = [e for e in examples(data, "india_sms") if normalise(e.text) not in known]
    return {
        "own": pool(scorer, unique([*sms.validation, *sms.test])),
        "other": pool(scorer, india),
        "third": pool(scorer, examples(data, "clickbait")[:THIRD_SOURCE]),
    }


def measure(case: Case, pools: dict[str, Pool], trials: int) -> float:
    """Return the share of trials with an alarm."""
    draw = np.random.default_rng(31)
    alarms = 0
    for trial in range(trials):
        reference, window = draw_trial(case, pools, draw)
        alarms += next(plumbline(reference, window, trial))
    return alarms / trials


def draw_trial(
    case: Case, pools: dict[str, Pool], draw: np.random.Generator
) -> tuple[Columns, Columns]:
    """Draw the accepted texts and a window."""
    own, other, third = (draw.permutation(pools[name].rows) for name in ("own", "other", "third"))
    accepted_other = round(case.accepted * case.share)
    accepted_own = case.accepted - accepted_other
    shifted = round(WINDOW * case.shifted)
    window_other = round((WINDOW - shifted) * case.window_share)
    window_own = WINDOW - shifted - window_other
    reference = joined(
        pools["own"].take(own[:accepted_own]), pools["other"].take(other[:accepted_other])
    )
    window = joined(
        pools["own"].take(own[accepted_own : accepted_own + window_own]),
        pools["other"].take(other[accepted_other : accepted_other + window_other]),
    )
    return reference, joined(window, pools["third"].take(third[:shifted]))


if __name__ == "__main__":
    main()
