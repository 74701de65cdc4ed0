"""A real PostgreSQL and a real Redis in a folder, for a machine that has neither."""
