"""Runtimes that execute a model behind one protocol."""
