"""The environment of a shell in which other programs are configured."""

from __future__ import annotations

# What another Celery program of the machine sets for itself. Nothing listens at these addresses.
FOREIGN = {
    "APP": "shop",
    "BROKER_URL": "redis://:their-password@127.0.0.1:1/5",
    "CELERY_APP": "shop.celery",
    "CELERY_BROKER_READ_URL": "redis://127.0.0.1:1/5",
    "CELERY_BROKER_URL": "redis://:their-password@127.0.0.1:1/5",
    "CELERY_BROKER_WRITE_URL": "redis://127.0.0.1:1/5",
    "CELERY_CONFIG_MODULE": "celeryconfig",
    "CELERY_LOADER": "djcelery.loaders.DjangoLoader",
    "CELERY_RESULT_BACKEND": "django-db",
    "CELERY_VERSION": "5.4.0",
    "CELERY_WORKDIR": "/nonexistent",
    "CELERY_WORKER_CONCURRENCY": "many",
    "CELERY_WORKER_HELP": "1",
    "CELERY_WORKER_LOGLEVEL": "CRITICAL",
    "CELERY_WORKER_POOL": "gevent",
    "CELERY_WORKER_QUEUES": "emails",
    "CONFIG_MODULE": "config.production",
    "DJANGO_SETTINGS_MODULE": "shop.settings",
    "LOADER": "djcelery.loaders.DjangoLoader",
    "NO_COLOR": "please",
    "PYTHONWARNINGS": "error",
    "RESULT_BACKEND": "django-db",
    "SKIP_CHECKS": "always",
    "TOKENIZERS_PARALLELISM": "true",
    "TZ": "Mars/Phobos",
}
