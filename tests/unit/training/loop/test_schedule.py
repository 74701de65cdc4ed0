from dataclasses import replace

import pytest

from training.loop.schedule import learning_rate
from training.presets import SPEC


@pytest.mark.parametrize(
    ("step", "rate"),
    [
        (0, 1e-5 / 2_001),
        (999, 1e-5 * 1_000 / 2_001),
        (1_999, 1e-5 * 2_000 / 2_001),
        (2_000, 1e-5),
        # A quarter, a half and three quarters of the way down: 1e-6 + 9e-6 (1 + cos) / 2.
        (6_500, 8.6819805e-6),
        (11_000, 5.5e-6),
        (15_500, 2.3180195e-6),
        (19_999, 1.0000001e-6),
        (20_000, 1e-6),
        (1_000_000, 1e-6),
    ],
)
def test_rates_match_the_specification(step: int, rate: float) -> None:
    assert learning_rate(step, SPEC) == pytest.approx(rate, rel=1e-6)


def test_rate_rises_to_the_peak_then_falls_to_the_floor() -> None:
    config = replace(SPEC, warmup_steps=20, total_steps=100)
    rates = [learning_rate(step, config) for step in range(120)]
    assert rates[:21] == sorted(rates[:21])
    assert rates[20:] == sorted(rates[20:], reverse=True)
    assert max(rates) == config.learning_rate
    assert min(rates[20:]) == config.floor_rate


def test_first_step_without_warmup_has_the_peak_rate() -> None:
    assert learning_rate(0, replace(SPEC, warmup_steps=0)) == SPEC.learning_rate
