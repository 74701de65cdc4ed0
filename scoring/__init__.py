"""Scores a text with a model version. Independent of queues, databases and training."""
