"""Celery's side: `celery -A worker worker` and `... beat`; the app is in `worker.celery`."""
