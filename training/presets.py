"""Every setting of a training run. The preset `spec` follows the specification exactly."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path

from training.errors import TrainingError


@dataclass(frozen=True, slots=True)
class ModelConfig:
    """The shape of backbone and head. Widths are vector sizes; `max_tokens` counts [CLS], [SEP]."""

    vocabulary: int = 50_000
    max_tokens: int = 512
    layers: int = 8
    heads: int = 16
    width: int = 768
    intermediate: int = 3_072
    dropout: float = 0.1
    head_widths: tuple[int, ...] = (512, 256)
    head_dropout: float = 0.2
    layer_norm_epsilon: float = 1e-12


@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """One run. It ends when `epochs`, `total_steps` or `patience` is reached, whichever is first.

    `total_steps` 0 means all steps of all epochs; the learning rate then ends at its floor.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    lowercase: bool = True
    # Reads every digit as 0: with few texts, the length of a number is more useful than its value.
    same_digits: bool = False
    # In tokens. Longer texts are truncated in training only.
    train_tokens: int = 512
    batch: int = 64
    epochs: int = 15
    learning_rate: float = 1e-5
    floor_rate: float = 1e-6
    warmup_steps: int = 2_000
    total_steps: int = 20_000
    weight_decay: float = 0.01
    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    clip_norm: float = 1.0
    label_smoothing: float = 0.1
    # Augmentation, drawn anew in each epoch: shares of a text's tokens that are dropped, swapped
    # with the next token, and replaced by [MASK].
    drop_rate: float = 0.05
    swap_rate: float = 0.05
    mask_rate: float = 0.1
    validation_share: float = 0.15
    patience: int = 5
    mixed_precision: bool = True
    seed: int = 7


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a run is carried out. None of this changes the resulting weights.

    `folder` holds the state that a killed run resumes from.
    """

    folder: Path = Path("runs")
    devices: int = 1
    checkpoint_every_s: float = 300.0


SPEC = TrainingConfig()

SMALL = replace(
    SPEC,
    model=ModelConfig(vocabulary=8_000, layers=4, heads=4, width=256, intermediate=1_024),
    train_tokens=128,
    epochs=8,
    learning_rate=4e-4,
    floor_rate=1e-5,
    warmup_steps=60,
    total_steps=0,
    drop_rate=0.0,
    swap_rate=0.0,
    mixed_precision=False,
)

TINY = replace(
    SMALL,
    model=ModelConfig(
        vocabulary=300, layers=1, heads=2, width=32, intermediate=64, head_widths=(16, 8)
    ),
    train_tokens=32,
    batch=16,
    epochs=10,
    learning_rate=5e-3,
    warmup_steps=5,
    mask_rate=0.0,
)

FINE_TUNING_PATIENCE = 2
PRESETS = {"tiny": TINY, "small": SMALL, "spec": SPEC}


def find_preset(name: str) -> TrainingConfig:
    """Return the preset of that name; raises TrainingError if there is none."""
    if name not in PRESETS:
        raise TrainingError(f"Unknown preset {name!r}; the presets are {', '.join(PRESETS)}.")
    return PRESETS[name]


def fine_tuning_config(config: TrainingConfig, shape: ModelConfig) -> TrainingConfig:
    """Adapt a run to pretrained weights: their shape, a quarter of the rate, half the epochs.

    It ends after two epochs without a lower validation loss: the start is near the best weights.
    The rate of a preset for a smaller network would destroy what a wider one has learned, so it
    starts from that of `small` at most. A run whose learning rate is already that of `spec` or
    lower changes only its shape.
    """
    rate = config.learning_rate
    if shape.width > config.model.width:
        rate = min(rate, SMALL.learning_rate)
    config = replace(config, model=shape)
    if rate <= SPEC.learning_rate:
        return config
    return replace(
        config,
        learning_rate=rate / 4,
        floor_rate=1e-6,
        epochs=config.epochs // 2,
        patience=FINE_TUNING_PATIENCE,
    )
