"""Keyed hashes of texts, which show whether a text is the same, but cannot be guessed.

The plain SHA-256 of a short text, such as a code of six digits, is found by trying all of them.
"""

from __future__ import annotations

import uuid
from collections.abc import Generator, Iterator

from sqlalchemy import Engine, text

BATCH = 5_000


def keyed_hash(digest: str) -> str:
    """Return the SQL of HMAC-SHA-256, as `plumbline.keyed_hash`, which costs a call per text.

    Without the secret it is NULL, and no text is lost.
    """
    return f"""sha256((SELECT outer_key FROM plumbline.installation)
        || sha256((SELECT inner_key FROM plumbline.installation) || {digest}))"""


# The keyed hash of a job in the ledger, which may still have the plain one of an earlier release.
JOB_HASH = f"coalesce(jobs.text_hash, {keyed_hash('jobs.text_sha256')})"

MAY_KEY = text("""
SELECT has_table_privilege('plumbline.installation', 'SELECT')
   AND has_table_privilege('plumbline.installation', 'UPDATE')
""")
IS_DONE = text("SELECT hashes_keyed_at IS NOT NULL FROM plumbline.installation")
DONE = text("UPDATE plumbline.installation SET hashes_keyed_at = now()")

NEXT = text("""
SELECT id, text_sha256 IS NOT NULL AS is_plain FROM plumbline.jobs
WHERE id > :after ORDER BY id LIMIT :batch
""")
# A row that another transaction has locked is left for the next pass, so that nobody waits. The
# trigger of `plumbline.jobs` keys what earlier releases still insert.
KEY = text(f"""
UPDATE plumbline.jobs AS jobs SET text_hash = {JOB_HASH}, text_sha256 = NULL
WHERE id IN (
    SELECT id FROM plumbline.jobs
    WHERE id = ANY (CAST(:ids AS uuid[])) AND text_sha256 IS NOT NULL
    ORDER BY id FOR UPDATE SKIP LOCKED
)
""")


def key_plain_hashes(engine: Engine, batch: int = BATCH) -> Generator[int, None, None]:
    """Replace the plain hashes of an earlier release; yield the count of each committed batch.

    An interrupted run is resumed by the next one, and a finished one is not repeated. A row that
    stays locked is left to the next run. A role without rights on the secret leaves all of them to
    the owner of the tables, whose upgrade keys them.
    """
    with engine.connect() as connection:
        if not connection.execute(MAY_KEY).scalar_one():
            return
        if connection.execute(IS_DONE).scalar_one_or_none() is not False:
            return
    keyed = left = 1
    while left and keyed:
        keyed = left = 0
        for plain, count in _key_all(engine, batch):
            keyed += count
            left += plain - count
            if count:
                yield count
    if not left:
        with engine.begin() as connection:
            connection.execute(DONE)


def _key_all(engine: Engine, batch: int) -> Iterator[tuple[int, int]]:
    """Go through all jobs once; yield how many plain hashes a batch had, and how many are keyed."""
    after = uuid.UUID(int=0)
    while True:
        with engine.begin() as connection:
            rows = connection.execute(NEXT, {"after": after, "batch": batch}).all()
            if not rows:
                return
            plain = [row.id for row in rows if row.is_plain]
            keyed = connection.execute(KEY, {"ids": plain}).rowcount if plain else 0
        after = rows[-1].id
        yield len(plain), keyed
