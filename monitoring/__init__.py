"""Drift: how recent texts and scores differ from what the model was measured on."""
