"""A model version on disk: its files, their verification, and the folder of versions."""
