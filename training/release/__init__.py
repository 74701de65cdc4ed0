"""The files of a version: int8 model, drift reference, model card, version number."""
