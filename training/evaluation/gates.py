"""What a version must prove before it may serve: a measure, a bound, and a sentence about each."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from training.errors import TrainingError
from training.evaluation.calibration import Reliability
from training.evaluation.latency import LENGTHS
from training.evaluation.metrics import Metrics, Parity

# The specification allows 200 ms for 512 tokens.
MS_PER_TOKEN = 200 / 512
LATENCY = "latency_ms_"
OF_TEXTS = ("accuracy", "precision", "recall", "f1", "auc")
OF_PARENT = ("f1_drop", "accuracy_drop")
MEASURES = (
    *OF_TEXTS,
    *("largest_difference", "changed_decisions"),
    *("ece", "brier"),
    *("int8_mb", "saved_model_mb"),
    *(f"{LATENCY}{length}" for length in LENGTHS),
    *OF_PARENT,
)
GATE = re.compile(r"\s*(\w+)\s*([<>]=)\s*(\S+)\s*")


@dataclass(frozen=True, slots=True)
class Gate:
    """`measure` must be at least, or else at most, `bound`. Shares are in 0 to 1, sizes in MB of
    a million bytes, durations in ms, drops in points below the parent on the same test texts.
    """

    measure: str
    bound: float
    at_least: bool

    @property
    def name(self) -> str:
        return f"{self.measure} {'>=' if self.at_least else '<='} {self.bound:.6g}"

    @property
    def needs_parent(self) -> bool:
        return self.measure in OF_PARENT

    def holds(self, value: float) -> bool:
        """False for NaN, whichever way the gate looks."""
        return value >= self.bound if self.at_least else value <= self.bound


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's verdict, as the manifest holds it. A gate that was `skipped` counts as passed."""

    name: str
    measure: str
    value: float | None
    bound: float
    at_least: bool
    passed: bool
    skipped: bool
    sentence: str


# Each from SPEC.md, but for the margin below the parent.
FIXED = (
    Gate("accuracy", 0.95, at_least=True),
    Gate("precision", 0.90, at_least=True),
    Gate("recall", 0.90, at_least=True),
    Gate("f1", 0.90, at_least=True),
    Gate("int8_mb", 125, at_least=False),
    Gate("saved_model_mb", 500, at_least=False),
    Gate("accuracy_drop", 0.01, at_least=False),
    Gate("f1_drop", 0.01, at_least=False),
)


def default_gates(rows: int, max_tokens: int) -> list[Gate]:
    """For a test split of `rows` texts and a model that reads `max_tokens` at once.

    Two bounds allow for what few texts cannot tell:
    0.002 of decisions may change between float32 and int8, but a single text always may.
    The ECE may be 0.02, but a perfectly calibrated model of accuracy 0.95 shows up to
    0.9 / sqrt(rows) by chance in 99 of 100 test splits (simulated for 100 to 4,000 texts;
    1.0 / sqrt(rows) at accuracy 0.93, 0.3 / sqrt(rows) at 0.99), so 0.02 holds from 2,025 texts on.
    """
    return [
        *FIXED,
        Gate("changed_decisions", _rounded_up(max(0.002, 1 / rows)), at_least=False),
        Gate("ece", _rounded_up(max(0.02, 0.9 / math.sqrt(rows))), at_least=False),
        *(
            Gate(f"{LATENCY}{length}", MS_PER_TOKEN * length, at_least=False)
            for length in LENGTHS
            if length <= max_tokens
        ),
    ]


def parse(text: str) -> Gate:
    """Read "f1>=0.95"; raise TrainingError with one sentence for what is no gate."""
    match = GATE.fullmatch(text)
    if match is None:
        raise TrainingError(f"{text!r} is no gate; write a measure and a bound, as in f1>=0.95.")
    measure, sign, bound = match.groups()
    if measure not in MEASURES:
        raise TrainingError(
            f"There is no measure {measure!r} for a gate; there is: {', '.join(MEASURES)}."
        )
    try:
        number = float(bound)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise TrainingError(f"The bound of the gate {text!r} is no number.")
    return Gate(measure, number, at_least=sign == ">=")


def override(gates: Iterable[Gate], given: Iterable[Gate]) -> list[Gate]:
    """`gates`, but where `given` has one of the same measure, that one; then what else it has."""
    by_measure = {gate.measure: gate for gate in gates}
    return list((by_measure | {gate.measure: gate for gate in given}).values())


def measured(
    served: Metrics,
    parity: Parity,
    reliability: Reliability,
    sizes: Mapping[str, int],
    latency_ms: Mapping[int, float],
    parent: Metrics | None,
) -> dict[str, float]:
    """What `judge` holds the gates against, all of it on the test split.

    `sizes` are bytes of "int8" and "saved_model"; `parent` is the earlier version's, of the same
    texts.
    """
    drops = {} if parent is None else _drops(served, parent)
    return {
        **{name: getattr(served, name) for name in OF_TEXTS},
        **asdict(parity),
        "ece": reliability.ece,
        "brier": reliability.brier,
        **{f"{kind}_mb": size / 1e6 for kind, size in sizes.items()},
        **{f"{LATENCY}{length}": taken for length, taken in latency_ms.items()},
        **drops,
    }


def judge(
    measured: Mapping[str, float], gates: Iterable[Gate], parent: str | None = None
) -> list[GateResult]:
    """Hold each gate against its measure. What was not measured fails.

    Only where there is no `parent`, a gate that compares with one is skipped.
    """
    return [_judge(gate, measured.get(gate.measure), parent) for gate in gates]


def passed(results: Sequence[GateResult]) -> bool:
    """Whether every gate holds; no gates at all prove nothing."""
    return bool(results) and all(result.passed for result in results)


def _rounded_up(bound: float) -> float:
    """To four digits, so that a person can read it and a single text still fits under it."""
    return math.ceil(round(bound * 1e4, 6)) / 1e4


def _drops(served: Metrics, parent: Metrics) -> dict[str, float]:
    return {
        "f1_drop": parent.f1 - served.f1,
        "accuracy_drop": parent.accuracy - served.accuracy,
    }


def _judge(gate: Gate, value: float | None, parent: str | None) -> GateResult:
    skipped = value is None and gate.needs_parent and parent is None
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
    wanted = f"{'at least' if gate.at_least else 'at most'} {gate.bound:.6g} is wanted"
    if skipped:
        return f"{gate.measure} was skipped: there is no earlier version to compare with."
    if value is None:
        return f"{gate.measure} was not measured, and {wanted}."
    return f"{gate.measure} is {value:.6g}, and {wanted}."
