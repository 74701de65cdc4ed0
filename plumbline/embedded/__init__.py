"""`plumbline up`: real PostgreSQL and Redis servers in a folder, with workers and beat."""
