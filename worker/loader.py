"""Celery's loader of the modules with tasks and signal handlers."""

from __future__ import annotations

from typing import Any

from celery.loaders.app import AppLoader

from plumbline.system_errors import describe


class Loader(AppLoader):  # type: ignore[misc]
    def import_default_modules(self) -> Any:
        """Import the modules; exit with one sentence if one of an optional extra is missing."""
        try:
            return super().import_default_modules()
        except ImportError as error:
            raise SystemExit(describe(error)) from error
