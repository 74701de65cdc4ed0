"""Drift reports, estimated and realized quality, and alerts."""
