"""Gates: the bounds a version's measures have to meet before the version may serve."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import lgamma, log, log1p

from training.errors import TrainingError
from training.evaluation import metrics
from training.evaluation.calibration import Reliability
from training.evaluation.latency import LENGTHS
from training.evaluation.metrics import Metrics, Parity

# The specification allows 200 ms for 512 tokens.
MS_PER_TOKEN = 200 / 512
LATENCY = "latency_ms_"
# Evaluated for each file or source by itself; see `training.evaluation.group_gates`.
FILE_DROP, SOURCE_DROP, NEW_SOURCE_GAIN = "file_drop", "source_drop", "new_source_gain"
GROUP_MEASURES = (FILE_DROP, SOURCE_DROP, NEW_SOURCE_GAIN)
COMPARISONS = ("f1_drop", "accuracy_drop", *GROUP_MEASURES)
MEASURES = (
    *metrics.MEASURES,
    "majority_errors",
    *("largest_difference", "changed_decisions", "changed_reviews"),
    *("ece", "brier"),
    *("int8_mb", "saved_model_mb"),
    *(f"{LATENCY}{length}" for length in LENGTHS),
    *COMPARISONS,
)
# Of decisions, between float32 and int8.
CHANGED_SHARE = 0.002
GATE = re.compile(r"\s*(\w+)\s*([<>]=)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Gate:
    """A lower bound of `measure` if `at_least`, otherwise an upper bound.

    Shares are from 0 to 1, sizes in MB of a million bytes, durations in ms. A drop is the value of
    the version compared with minus this version's, on the same test texts. `majority_errors` is the
    number of errors, divided by that of an answer that always names the larger class.
    """

    measure: str
    bound: float
    at_least: bool

    @property
    def name(self) -> str:
        return f"{self.measure} {'>=' if self.at_least else '<='} {self.bound:.6g}"

    @property
    def needs_comparison(self) -> bool:
        return self.measure in COMPARISONS

    def holds(self, value: float) -> bool:
        """Return False for NaN, for lower and upper bounds alike."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class GateResult:
    """The result of one gate as stored in the manifest. A skipped gate counts as passed.

    `subject` is the file or source that the gate is about, "" for the whole test split.
    """

    name: str
    measure: str
    value: float | None
    bound: float
    at_least: bool
    passed: bool
    skipped: bool
    sentence: str
    subject: str = ""

    @property
    def outcome(self) -> str:
        return "skipped" if self.skipped else "passed" if self.passed else "failed"


# The first four and the sizes are the specification's. A constant answer has the majority's errors,
# whatever the share of the classes is.
FIXED = (
    Gate("accuracy", 0.95, at_least=True),
    Gate("precision", 0.90, at_least=True),
    Gate("recall", 0.90, at_least=True),
    Gate("f1", 0.90, at_least=True),
    Gate("majority_errors", 0.75, at_least=False),
    Gate("int8_mb", 125, at_least=False),
    Gate("saved_model_mb", 500, at_least=False),
    Gate("accuracy_drop", 0.01, at_least=False),
    Gate("f1_drop", 0.01, at_least=False),
    *(Gate(measure, 0.01, at_least=False) for measure in (FILE_DROP, SOURCE_DROP)),
    Gate(NEW_SOURCE_GAIN, 0.01, at_least=True),
)


def default_gates(rows: int, negatives: int, chance_ece: float, max_tokens: int) -> list[Gate]:
    """Return the gates for a test split of `rows` texts and a model that reads `max_tokens`.

    Three bounds are relaxed on a small split:
    0.002 of decisions may change between float32 and int8, or what chance alone gives in 99 of 100
    test splits if 0.002 of all texts change theirs; a single decision always may.
    One of up to ten negative texts may be missed, but never more than half of them.
    The ECE may be 0.02, or what chance alone gives a calibrated version (`chance_ece`).
    """
    changed = max(1, _changed_by_chance(rows)) / rows
    return [
        *FIXED,
        Gate("negative_recall", _recall_bound(negatives), at_least=True),
        Gate("changed_decisions", _rounded_up(changed), at_least=False),
        Gate("ece", _rounded_up(max(0.02, chance_ece)), at_least=False),
        *(
            Gate(f"{LATENCY}{length}", MS_PER_TOKEN * length, at_least=False)
            for length in LENGTHS
            if length <= max_tokens
        ),
    ]


def parse_gate(text: str) -> Gate:
    """Parse "f1>=0.95"; raises TrainingError if the text is not a gate."""
    match = GATE.fullmatch(text)
    if match is None:
        raise TrainingError(f"{text!r} is not a gate; write a measure and a bound, as in f1>=0.95.")
    measure, sign, bound = match.groups()
    if measure not in MEASURES:
        raise TrainingError(
            f"Unknown gate measure {measure!r}; the measures are {', '.join(MEASURES)}."
        )
    try:
        number = float(bound)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise TrainingError(f"The bound of the gate {text!r} is not a number.")
    return Gate(measure, number, at_least=sign == ">=")


def override_gates(defaults: Iterable[Gate], overrides: Iterable[Gate]) -> list[Gate]:
    """Replace the defaults that `overrides` names by measure, and add its other gates."""
    by_measure = {gate.measure: gate for gate in defaults}
    return list((by_measure | {gate.measure: gate for gate in overrides}).values())


def _changed_by_chance(rows: int) -> int:
    """Return the 99th percentile of Binomial(rows, CHANGED_SHARE)."""
    mean, log_share, log_rest = rows * CHANGED_SHARE, log(CHANGED_SHARE), log1p(-CHANGED_SHARE)
    # Less than this has no probability that a float could hold.
    count, reached = max(0, math.floor(mean - 10 * math.sqrt(mean))), 0.0
    while True:
        ways = lgamma(rows + 1) - lgamma(count + 1) - lgamma(rows - count + 1)
        reached += math.exp(ways + count * log_share + (rows - count) * log_rest)
        if reached >= 0.99:
            return count
        count += 1


def _recall_bound(texts: int) -> float:
    return max(0.5, min(0.9, math.floor(1e4 * (1 - 1 / max(texts, 1))) / 1e4))


def latency_limits(gates: Iterable[Gate]) -> dict[int, float]:
    """Return the upper bounds on milliseconds by number of tokens."""
    return {
        int(gate.measure.removeprefix(LATENCY)): gate.bound
        for gate in gates
        if gate.measure.startswith(LATENCY) and not gate.at_least
    }


def gate_values(
    served: Metrics,
    majority: Metrics,
    parity: Parity,
    reliability: Reliability,
    sizes: Mapping[str, int],
    latency_ms: Mapping[int, float],
    compared: Metrics | None,
) -> dict[str, float]:
    """Return the value of each gate measure on the test split.

    `majority` are the metrics of the majority answer. `sizes` are in bytes, of "int8" and
    "saved_model"; `compared` are the metrics of the version compared with, on the same texts.
    """
    drops = {} if compared is None else _drops(served, compared)
    return {
        **{name: getattr(served, name) for name in metrics.MEASURES},
        "majority_errors": (1 - served.accuracy) / (1 - majority.accuracy),
        **asdict(parity),
        "ece": reliability.ece,
        "brier": reliability.brier,
        **{f"{kind}_mb": size / 1e6 for kind, size in sizes.items()},
        **{f"{LATENCY}{length}": ms for length, ms in latency_ms.items()},
        **drops,
    }


def evaluate_gates(
    values: Mapping[str, float], gates: Iterable[Gate], compared: str | None = None
) -> list[GateResult]:
    """Evaluate each gate that is about the whole test split. A gate without a value fails.

    The exception is a comparison: it is skipped if there is no version to compare with.
    """
    return [
        _evaluate(gate, values.get(gate.measure), compared)
        for gate in gates
        if gate.measure not in GROUP_MEASURES
    ]


def all_passed(results: Sequence[GateResult]) -> bool:
    """Return whether every gate passed; False without gates."""
    return bool(results) and all(result.passed for result in results)


def _rounded_up(bound: float) -> float:
    """Round up to four digits: readable, and a single text still fits under the bound."""
    return math.ceil(round(bound * 1e4, 6)) / 1e4


def _drops(served: Metrics, compared: Metrics) -> dict[str, float]:
    return {
        "f1_drop": compared.f1 - served.f1,
        "accuracy_drop": compared.accuracy - served.accuracy,
    }


def _evaluate(gate: Gate, value: float | None, compared: str | None) -> GateResult:
    skipped = value is None and gate.needs_comparison and compared is None
    finite = value is not None and math.isfinite(value)
    holds = value is not None and finite and gate.holds(value)
    return GateResult(
        name=gate.name,
        measure=gate.measure,
        # JSON has no NaN.
        value=value if finite else None,
        bound=gate.bound,
        at_least=gate.at_least,
        passed=skipped or holds,
        skipped=skipped,
        sentence=_sentence(gate, value, skipped),
    )


def _sentence(gate: Gate, value: float | None, skipped: bool) -> str:
    bound = f"{'at least' if gate.at_least else 'at most'} {gate.bound:.6g}"
    if skipped:
        return f"{gate.measure} was skipped: there is no earlier version to compare with."
    if value is None:
        return f"{gate.measure} was not measured; the gate requires {bound}."
    return f"{gate.measure} is {value:.6g}; the gate requires {bound}."
