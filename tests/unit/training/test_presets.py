from dataclasses import asdict, replace

import pytest

from training.errors import TrainingError
from training.presets import PRESETS, SMALL, SPEC, TINY, find_preset, fine_tuning_config


def test_spec_matches_the_specification() -> None:
    assert asdict(SPEC) | {"lowercase": None, "seed": None} == {
        "model": {
            "vocabulary": 50_000,
            "max_tokens": 512,
            "layers": 8,
            "heads": 16,
            "width": 768,
            "intermediate": 3_072,
            "dropout": 0.1,
            "head_widths": (512, 256),
            "head_dropout": 0.2,
            "layer_norm_epsilon": 1e-12,
        },
        "lowercase": None,
        "same_digits": False,
        "train_tokens": 512,
        "batch": 64,
        "epochs": 15,
        "learning_rate": 1e-5,
        "floor_rate": 1e-6,
        "warmup_steps": 2_000,
        "total_steps": 20_000,
        "weight_decay": 0.01,
        "beta_1": 0.9,
        "beta_2": 0.999,
        "epsilon": 1e-8,
        "clip_norm": 1.0,
        "label_smoothing": 0.1,
        "drop_rate": 0.05,
        "swap_rate": 0.05,
        "mask_rate": 0.1,
        "validation_share": 0.15,
        "patience": 5,
        "mixed_precision": True,
        "seed": None,
    }


def test_every_preset_reads_512_tokens_and_divides_its_width_by_its_heads() -> None:
    assert {config.model.max_tokens for config in PRESETS.values()} == {512}
    assert all(config.model.width % config.model.heads == 0 for config in PRESETS.values())


def test_fine_tuning_takes_the_shape_and_lowers_rate_epochs_and_patience() -> None:
    shape = replace(SMALL.model, layers=6)
    tuned = fine_tuning_config(SMALL, shape)
    assert tuned == replace(
        SMALL, model=shape, learning_rate=1e-4, floor_rate=1e-6, epochs=4, patience=2
    )


def test_fine_tuning_of_a_wider_network_does_not_take_the_rate_of_a_small_one() -> None:
    assert fine_tuning_config(TINY, SMALL.model).learning_rate == SMALL.learning_rate / 4
    assert fine_tuning_config(TINY, TINY.model).learning_rate == TINY.learning_rate / 4


def test_fine_tuning_of_spec_changes_only_the_shape() -> None:
    shape = replace(SPEC.model, layers=6)
    assert fine_tuning_config(SPEC, shape) == replace(SPEC, model=shape)


def test_unknown_preset_is_refused_with_the_known_names() -> None:
    assert find_preset("small") is SMALL
    with pytest.raises(TrainingError, match="Unknown preset 'huge'; the presets are tiny, small"):
        find_preset("huge")
