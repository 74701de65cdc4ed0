from dataclasses import asdict, replace

from training.presets import PRESETS, SMALL, SPEC, fine_tuning


def test_spec_says_what_the_specification_says() -> None:
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


def test_every_preset_serves_512_tokens_and_splits_its_width_evenly() -> None:
    assert {config.model.max_tokens for config in PRESETS.values()} == {512}
    assert all(config.model.width % config.model.heads == 0 for config in PRESETS.values())


def test_fine_tuning_takes_the_shape_and_goes_gently() -> None:
    shape = replace(SMALL.model, layers=6)
    tuned = fine_tuning(SMALL, shape)
    assert tuned == replace(SMALL, model=shape, learning_rate=1e-4, floor_rate=1e-6, epochs=4)


def test_the_specified_run_fine_tunes_as_it_is() -> None:
    shape = replace(SPEC.model, layers=6)
    assert fine_tuning(SPEC, shape) == replace(SPEC, model=shape)
