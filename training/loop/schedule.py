"""The learning rate as a pure function of the step."""

from __future__ import annotations

import math

from training.presets import TrainingConfig


def learning_rate(step: int, config: TrainingConfig) -> float:
    """Linear warm-up, then half a cosine down to the floor (Loshchilov and Hutter, 2017).

    `step` counts from 0. The peak is at `warmup_steps`, the floor from `total_steps` on.
    """
    peak, floor = config.learning_rate, config.floor_rate
    # 1. Warm-up: linear, starting above zero.
    if step < config.warmup_steps:
        return peak * (step + 1) / (config.warmup_steps + 1)
    # 2. After the last step: the floor.
    if step >= config.total_steps:
        return floor
    # 3. In between: half a cosine from the peak to the floor.
    progress = (step - config.warmup_steps) / (config.total_steps - config.warmup_steps)
    return floor + 0.5 * (peak - floor) * (1.0 + math.cos(math.pi * progress))
