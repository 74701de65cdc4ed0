"""From a text to what the model reads, and to the features that drift is computed from."""
