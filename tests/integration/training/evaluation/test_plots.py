"""The plots of a model card: small, reproducible, and showing the data they were given."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.image import imread

from training.evaluation.calibration import reliability
from training.evaluation.plots import (
    BLUE,
    GREY,
    ORANGE,
    TrainingCurves,
    plot_calibration,
    plot_training_curves,
)

MAX_BYTES = 60_000


def pixels(path: Path, color: str) -> Any:
    """Return whether each pixel has this color, [height, width]."""
    image = imread(path)
    return np.all(np.abs(image[:, :, :3] - to_rgb(color)) < 0.02, axis=2)


def curves(steps: int) -> TrainingCurves:
    noise = np.random.default_rng(3).normal(scale=0.02, size=steps)
    loss = [(n, 0.2 + 0.5 * np.exp(-n / (steps / 4)) + noise[n]) for n in range(steps)]
    validation = [(n, 0.25 + 1e-5 * n) for n in range(steps // 8, steps, steps // 8)]
    return TrainingCurves(loss, validation, [(n, 1e-5 * n) for n in range(steps)], steps // 2)


@pytest.mark.parametrize("steps", [8, 500, 20_000])
def test_training_curves_are_small_and_show_all_three_lines(tmp_path: Path, steps: int) -> None:
    path = tmp_path / "training.png"
    plot_training_curves(path, curves(steps))
    assert path.stat().st_size < MAX_BYTES
    assert all(pixels(path, color).sum() > 50 for color in (BLUE, ORANGE, GREY))


def test_long_run_is_drawn_as_a_thin_line(tmp_path: Path) -> None:
    for steps in (200, 20_000):
        plot_training_curves(tmp_path / f"{steps}.png", curves(steps))
    short, long = (pixels(tmp_path / f"{steps}.png", BLUE).sum() for steps in (200, 20_000))
    assert long < 1.2 * short


def test_run_of_one_epoch_or_none_is_plotted(tmp_path: Path) -> None:
    plot_training_curves(tmp_path / "one.png", TrainingCurves([(1, 0.7)], [(1, 0.6)], [(1, 1e-5)]))
    plot_training_curves(tmp_path / "none.png", TrainingCurves([], []))
    assert (tmp_path / "one.png").stat().st_size > 1_000
    assert (tmp_path / "none.png").stat().st_size > 1_000


def test_same_run_writes_the_same_bytes(tmp_path: Path) -> None:
    for name in ("first.png", "second.png"):
        plot_training_curves(tmp_path / name, curves(100))
    assert (tmp_path / "first.png").read_bytes() == (tmp_path / "second.png").read_bytes()


def test_calibration_shows_before_on_the_left_and_after_on_the_right(tmp_path: Path) -> None:
    random = np.random.default_rng(5)
    scores = random.random(700)
    labels = (random.random(700) < scores).astype(int).tolist()
    flat = 0.5 + (scores - 0.5) / 3
    path = tmp_path / "calibration.png"
    before, calibrated = (reliability(labels, s.tolist()) for s in (flat, scores))
    plot_calibration(path, before, calibrated)
    assert path.stat().st_size < MAX_BYTES
    after = pixels(path, BLUE)
    half = after.shape[1] // 2
    assert after[:, half:].sum() > 500
    assert after[:, :half].sum() == 0
    plot_calibration(tmp_path / "unchanged.png", before, before)
    unchanged = pixels(tmp_path / "unchanged.png", BLUE)
    # With a confidence of at most 0.67, the right third of the panel is empty.
    assert not unchanged[:, -after.shape[1] // 8 :].any()
    assert after[:, -after.shape[1] // 8 :].any()


def test_confidence_of_one_is_plotted(tmp_path: Path) -> None:
    certain = reliability([1, 0] * 20, [1.0, 0.0] * 20)
    plot_calibration(tmp_path / "certain.png", certain, certain)
    assert pixels(tmp_path / "certain.png", BLUE).any()
