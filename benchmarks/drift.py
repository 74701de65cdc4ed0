"""Drift alarms on real texts: how often one rings falsely, and how much change it takes.

    .venv/bin/python benchmarks/drift.py --data FOLDER [--models FOLDER] [--trials 200]

Each trial draws its own reference and its own window, without replacement, from texts its model was
not trained on; the seed is fixed. FOLDER holds sms_spam, india_sms, clickbait and clickbait_other,
each with a data.csv.gz. The clickbait model is trained into --models where it is not there yet.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import track
from rich.table import Table
from scipy.stats import chi2_contingency, ks_2samp

from monitoring.drift.scores import Samples
from monitoring.drift.window import Columns
from plumbline.settings import Settings
from scoring.scorer import Scorer
from training.data.examples import Example, normalise, read, split, unique
from training.release.reference import make_profile

HERE = Path(__file__).resolve().parent
ALPHA = float(Settings.model_fields["drift_alpha"].default)
LOUDER = 0.05
REFERENCE, WINDOW = 1_000, 500
SHARES = (0.05, 0.1, 0.2, 0.5, 1.0)
# What the comparisons look at, which know nothing of the training texts but the last.
PLAIN = ("probability", "decision", "words", "chars", "digit_share", "upper_share")
KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
RULES = (f"at {ALPHA:.0%}", f"at {LOUDER:.0%}", "preset", "any column", "KS, Bonferroni")


@dataclass(frozen=True, slots=True)
class Pool:
    """Texts as drift sees them: columns, a row a text, and each text's label."""

    columns: dict[str, np.ndarray[Any, Any]]
    labels: np.ndarray[Any, Any]

    @property
    def rows(self) -> int:
        return len(self.labels)

    def take(self, rows: np.ndarray[Any, Any]) -> Columns:
        return {name: values[rows].tolist() for name, values in self.columns.items()}


@dataclass(frozen=True, slots=True)
class Case:
    """Windows of `size` texts from `pool`, a `share` of which comes from `elsewhere` instead."""

    name: str
    pool: str
    size: int
    share: float = 0.0
    elsewhere: str | None = None


def cases() -> Iterator[Case]:
    for size in (200, 500):
        yield Case("nothing changed", "sms_spam", size)
    for size in (200, 500, 2_000):
        yield Case("nothing changed", "clickbait", size)
    for name, pool, elsewhere in (
        ("india_sms into sms_spam", "sms_spam", "india_sms"),
        ("clickbait_other into clickbait", "clickbait", "clickbait_other"),
        ("more clickbait than before", "clickbait", "positive"),
        ("cut after 5 words", "clickbait", "truncated"),
        ("upper-cased", "clickbait", "upper-cased"),
        ("typed with slips", "clickbait", "typos"),
    ):
        for share in SHARES:
            yield Case(name, pool, WINDOW, share, elsewhere)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--models", type=Path, default=Path(tempfile.gettempdir()) / "plumbline")
    parser.add_argument("--trials", type=int, default=200)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", choices=("sms_spam", "clickbait"), help="windows of one set")
    options = parser.parse_args()
    pools = make_pools(options.data, options.models)
    every = [case for case in cases() if options.only in (None, case.pool)]
    work = partial(measure, pools=pools, trials=options.trials)
    with ProcessPoolExecutor(options.processes) as executor:
        rates = list(track(executor.map(work, every), "trials", total=len(every)))
    show(every, rates, options.trials)


def make_pools(data: Path, models: Path) -> dict[str, Pool]:
    """What drift knows of each set's unseen texts, and of what is made from them."""
    sms, clickbait = (splits(data, name) for name in ("sms_spam", "clickbait"))
    spam_model = Scorer.load(HERE.parent / "models" / "sms-spam" / "1.0.0")
    clickbait_model = Scorer.load(clickbait_version(data, models))
    both = (*sms.train, *sms.validation, *sms.test)
    known = {normalise(example.text) for example in both}
    india = [e for e in rows(data, "india_sms") if normalise(e.text) not in known]
    unseen = unique([*clickbait.validation, *clickbait.test])
    typist = random.Random(23)
    made: dict[str, Callable[[str], str]] = {
        "truncated": lambda text: " ".join(text.split()[:5]),
        "upper-cased": str.upper,
        "typos": lambda text: slips(text, typist),
    }
    return {
        "sms_spam": pool(spam_model, unique([*sms.validation, *sms.test])),
        "india_sms": pool(spam_model, india),
        "clickbait": pool(clickbait_model, unseen),
        "clickbait_other": pool(clickbait_model, rows(data, "clickbait_other")),
    } | {
        name: pool(clickbait_model, [Example(change(e.text), e.label) for e in unseen])
        for name, change in made.items()
    }


def rows(data: Path, name: str) -> list[Example]:
    return unique(read(data / name / "data.csv.gz"))


def splits(data: Path, name: str) -> Any:
    return split(read(data / name / "data.csv.gz"), 0.15)


def clickbait_version(data: Path, models: Path) -> Path:
    folder = models / "clickbait" / "1.0.0"
    if not folder.is_dir():
        subprocess.run(
            [
                *(sys.executable, "-m", "training", "--preset", "small", "--name", "clickbait"),
                *("--data", str(data / "clickbait" / "data.csv.gz"), "--train-tokens", "64"),
                *("--labels", "news,clickbait", "--models-dir", str(models)),
                *("--run-dir", str(models / "runs"), "--version", "1.0.0"),
            ],
            check=True,
        )
    return folder


def pool(scorer: Scorer, examples: Sequence[Example]) -> Pool:
    scores = [scorer.score(example.text) for example in examples]
    # More rows than a profile keeps.
    parts = [make_profile("", "", scores[n : n + 1_000]) for n in range(0, len(scores), 1_000)]
    names = list(parts[0].columns)
    columns = {name: np.concatenate([part.columns[name] for part in parts]) for name in names}
    return Pool(columns, np.asarray([example.label for example in examples]))


def slips(text: str, typist: random.Random) -> str:
    """One letter in ten replaced by its neighbour on the keyboard."""

    def key(letter: str) -> str:
        for line in KEYS:
            place = line.find(letter.lower())
            if place >= 0 and typist.random() < 0.1:
                return line[place - 1 if place else 1]
        return letter

    return "".join(map(key, text))


def measure(case: Case, pools: dict[str, Pool], trials: int) -> dict[str, float]:
    """The share of trials in which each rule raises an alarm."""
    draw = np.random.default_rng(29)
    alarms = dict.fromkeys(RULES, 0)
    for trial in range(trials):
        reference, window = sides(case, pools, draw)
        rung = (
            *ours(reference, window, trial),
            *evidently(reference, window),
            ks(reference, window),
        )
        for rule, rang in zip(RULES, rung, strict=True):
            alarms[rule] += rang
    return {rule: count / trials for rule, count in alarms.items()}


def sides(case: Case, pools: dict[str, Pool], draw: np.random.Generator) -> tuple[Columns, Columns]:
    here = pools[case.pool]
    order = draw.permutation(here.rows)
    changed = round(case.size * case.share)
    kept = case.size - changed
    # A small pool is not used up, so that two trials are not the same.
    size = min(REFERENCE, here.rows - case.size - 100)
    before, rest = order[:size], order[size:]
    usual, others = rest[:kept], rest[kept:]
    if case.elsewhere is None:
        return here.take(before), here.take(usual)
    if case.elsewhere == "positive":
        there, theirs = here, others[here.labels[others] == 1][:changed]
    else:
        there = pools[case.elsewhere]
        # What was made from this pool's own texts is made from those that are on neither side.
        theirs = others if there.rows == here.rows else draw.permutation(there.rows)
    return here.take(before), joined(here.take(usual), there.take(theirs[:changed]))


def joined(one: Columns, other: Columns) -> Columns:
    return {name: [*one[name], *other[name]] for name in one}  # type: ignore[misc]


def ours(reference: Columns, window: Columns, seed: int) -> Iterator[bool]:
    """As the settings have it, and with more false alarms allowed."""
    samples = Samples(reference, window)
    shift = samples.shift()
    for alpha in (ALPHA, LOUDER):
        limits = samples.thresholds(alpha, seed)
        yield shift.joint > limits.joint or max(shift.columns.values()) > limits.column


def evidently(reference: Columns, window: Columns) -> tuple[bool, bool]:
    """Evidently's preset as it comes: half of the columns, and any column."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import pandas as pd
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(
            numerical_columns=[name for name in PLAIN if name != "decision"],
            categorical_columns=["decision"],
        )
        before, now = (
            Dataset.from_pandas(
                pd.DataFrame({name: side[name] for name in PLAIN}), data_definition=definition
            )
            for side in (reference, window)
        )
        found = Report([DataDriftPreset()]).run(now, before).dict()["metrics"][0]["value"]
    return found["share"] >= 0.5, found["count"] >= 1


def ks(reference: Columns, window: Columns) -> bool:
    """One p-value under 0.05, divided by the number of columns."""
    names = (*PLAIN, "new_token_share")
    return any(p_value(reference[name], window[name]) < 0.05 / len(names) for name in names)


def p_value(before: Sequence[Any], now: Sequence[Any]) -> float:
    if not isinstance(before[0], str):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return float(ks_2samp(before, now).pvalue)
    labels = sorted({*before, *now})
    counts = [[side.count(label) for label in labels] for side in (before, now)]
    return float(chi2_contingency(counts, correction=False).pvalue)


def show(every: Sequence[Case], rates: Sequence[dict[str, float]], trials: int) -> None:
    table = Table(title=f"reports that raise an alarm, of {trials}")
    for name in ("windows", "texts", "from elsewhere", *RULES):
        table.add_column(name, justify="left" if name == "windows" else "right")
    for case, found in zip(every, rates, strict=True):
        name = case.name if case.elsewhere else f"{case.pool}, {case.name}"
        shown = [f"{found[rule]:.1%}" for rule in RULES]
        table.add_row(name, f"{case.size:,}", f"{case.share:.0%}", *shown)
    Console().print(table)


if __name__ == "__main__":
    main()
