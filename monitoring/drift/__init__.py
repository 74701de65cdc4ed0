"""Drift reports: recent predictions compared with a reference."""
