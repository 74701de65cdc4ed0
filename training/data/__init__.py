"""Labelled texts: reading, splitting, tokenization, batches and augmentation."""
