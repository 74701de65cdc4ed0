"""The environment variables that configure Celery and its libraries, which Plumbline ignores.

Another Celery program of the machine sets them for itself, and some of them take precedence over an
app's own configuration: with CELERY_BROKER_URL, workers would read another Redis than the one to
which texts are submitted. Plumbline's own settings are PLUMBLINE_ variables.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping

# CELERY_<SETTING>, CELERY_<OPTION>, CELERY_<COMMAND>_<OPTION>, and the older CELERYD_ and
# CELERYBEAT_ of init scripts.
PREFIXES = ("CELERY", "KOMBU_")
NAMES = frozenset(
    {
        # Options of the `celery` command (celery/bin/celery.py).
        "APP",
        "BROKER_URL",
        "CONFIG_MODULE",
        "LOADER",
        "RESULT_BACKEND",
        "SKIP_CHECKS",
        # With them, Celery and billiard import a Django project.
        "DJANGO_PROJECT_DIR",
        "DJANGO_SETTINGS_MODULE",
        # Switches that Celery, kombu and billiard read when they are imported.
        "AUTOSCALE_KEEPALIVE",
        "C_BENCH",
        "C_BENCH_EVERY",
        "C_FAKEFORK",
        "C_IMPDEBUG",
        "C_REMDEBUG",
        "C_STRICT_APP",
        "C_WARN_APP",
        "C_WNOCONF",
        "DISABLE_TRACEBACKS",
        "EVENTLET_NOBLOCK",
        "FORKED_BY_MULTIPROCESSING",
        "MP_LOG",
        "MP_MAIN_FILE",
        "MULTIPROCESSING_FORKING_DISABLE",
        "PICKLE_PROTOCOL",
        "REMAP_SIGTERM",
        "TIMER_DEBUG",
        "USE_FAST_LOCALS",
        "_MP_FORK_LOGFILE_",
        "_MP_FORK_LOGFORMAT_",
        "_MP_FORK_LOGLEVEL_",
    }
)
# Celery sets these itself for the processes of its pool, and APP may be what names Plumbline's app.
USED_BY_RUNNING_CELERY = frozenset(
    {
        "APP",
        "CELERY_APP",
        "CELERY_LOG_FILE",
        "CELERY_LOG_LEVEL",
        "CELERY_LOG_REDIRECT",
        "CELERY_LOG_REDIRECT_LEVEL",
        "FORKED_BY_MULTIPROCESSING",
        "MP_MAIN_FILE",
        "MULTIPROCESSING_FORKING_DISABLE",
        "_MP_FORK_LOGFILE_",
        "_MP_FORK_LOGFORMAT_",
        "_MP_FORK_LOGLEVEL_",
    }
)
_ignored: set[str] = set()


def configures_celery(name: str) -> bool:
    return name in NAMES or name.startswith(PREFIXES)


def cleaned(environment: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a new Celery process."""
    return {name: value for name, value in environment.items() if not configures_celery(name)}


def clean(environment: MutableMapping[str, str]) -> None:
    """Remove the variables from the environment of this process, which may be a Celery process.

    `ignored` returns their names.
    """
    for name in [name for name in environment if configures_celery(name)]:
        if name not in USED_BY_RUNNING_CELERY:
            del environment[name]
            _ignored.add(name)


def ignored() -> list[str]:
    """Return the names of the variables that `clean` has removed."""
    return sorted(_ignored)
