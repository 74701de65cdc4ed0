"""Predictions, metrics, calibration and gates of a trained version."""
