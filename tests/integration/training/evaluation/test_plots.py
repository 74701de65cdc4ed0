"""The pictures of a card: there, small, always alike, and showing what they were given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from training.evaluation.calibration import reliability
from training.evaluation.plots import BLUE, ORANGE, QUIET, Curves, calibration_plot, training_curves

LARGEST = 60_000


def pixels(path: Path, color: str) -> Any:
    """Where the picture has exactly this colour: [height, width]."""
    picture = imread(path)
    return np.all(np.abs(picture[:, :, :3] - to_rgb(color)) < 0.02, axis=2)


def curves(steps: int) -> Curves:
    noise = np.random.default_rng(3).normal(scale=0.02, size=steps)
    loss = [(n, 0.2 + 0.5 * np.exp(-n / (steps / 4)) + noise[n]) for n in range(steps)]
    validation = [(n, 0.25 + 1e-5 * n) for n in range(steps // 8, steps, steps // 8)]
    return Curves(loss, validation, [(n, 1e-5 * n) for n in range(steps)], steps // 2)


@pytest.mark.parametrize("steps", [8, 500, 20_000])
def test_training_curves_are_small_and_show_all_three(tmp_path: Path, steps: int) -> None:
    path = tmp_path / "training.png"
    training_curves(path, curves(steps))
    assert path.stat().st_size < LARGEST
    assert all(pixels(path, color).sum() > 50 for color in (BLUE, ORANGE, QUIET))


def test_a_long_run_is_a_line_and_no_smear(tmp_path: Path) -> None:
    for steps in (200, 20_000):
        training_curves(tmp_path / f"{steps}.png", curves(steps))
    short, long = (pixels(tmp_path / f"{steps}.png", BLUE).sum() for steps in (200, 20_000))
    assert long < 1.2 * short


def test_a_run_of_one_epoch_or_none_has_a_picture(tmp_path: Path) -> None:
    training_curves(tmp_path / "one.png", Curves([(1, 0.7)], [(1, 0.6)], [(1, 1e-5)]))
    training_curves(tmp_path / "none.png", Curves([], []))
    assert (tmp_path / "one.png").stat().st_size > 1_000
    assert (tmp_path / "none.png").stat().st_size > 1_000


def test_the_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        training_curves(tmp_path / name, curves(100))
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_calibration_shows_before_left_and_after_right(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    scores = random.random(700)
    labels = (random.random(700) < scores).astype(int).tolist()
    flat = 0.5 + (scores - 0.5) / 3
    path = tmp_path / "calibration.png"
    dull, sharp = reliability(labels, flat.tolist()), reliability(labels, scores.tolist())
    calibration_plot(path, dull, sharp)
    assert path.stat().st_size < LARGEST
    after = pixels(path, BLUE)
    half = after.shape[1] // 2
    assert after[:, half:].sum() > 500
    assert after[:, :half].sum() == 0
    calibration_plot(tmp_path / "unchanged.png", dull, dull)
    unchanged = pixels(tmp_path / "unchanged.png", BLUE)
    # Confidence never above 0.67 leaves the right third of the panel empty.
    assert not unchanged[:, -after.shape[1] // 8 :].any()
    assert after[:, -after.shape[1] // 8 :].any()


def test_a_model_sure_of_everything_has_a_picture(tmp_path: Path) -> None:
    sure = reliability([1, 0] * 20, [1.0, 0.0] * 20)
    calibration_plot(tmp_path / "sure.png", sure, sure)
    assert pixels(tmp_path / "sure.png", BLUE).any()
