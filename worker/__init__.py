"""The Celery application. `celery -A worker worker` and `celery -A worker beat` start it."""
