import os

# psycopg reads it at its import, and what another program chose may not be installed here.
os.environ.pop("PSYCOPG_IMPL", None)
