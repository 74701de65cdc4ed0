from __future__ import annotations

from contextlib import closing

from plumbline_client.database import Database
from storage.progress import Progress, progress
from tests.ledger import Ledger
from tests.predictions import new_prediction


def test_an_old_queued_job_and_a_recent_score_are_reported(
    ledger: Ledger, database_url: str
) -> None:
    def read_progress() -> Progress:
        with closing(Database(database_url)) as database, database.connection() as connection:
            return progress(connection, within_s=600.0)

    queued, scored = ledger.accept_texts(2)
    assert read_progress() == Progress(queued_throughout=False, scored=False)
    ledger.change("created_at = now() - interval '1 hour'", queued)
    assert read_progress() == Progress(queued_throughout=True, scored=False)
    (lease,) = ledger.claim(scored)
    ledger.finish(new_prediction(lease))
    assert read_progress() == Progress(queued_throughout=True, scored=True)
