"""Which package may import which, as docs/architecture.md shows it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.paths import CHECKOUT

APPLICATION = ("plumbline", "scoring", "storage", "worker", "monitoring", "training", "migrations")
CLIENT = "plumbline_client"
FOLDERS = {name: CHECKOUT / name for name in APPLICATION} | {
    CLIENT: CHECKOUT / "clients" / "python" / CLIENT
}

# What each package may import of the others; a dotted name allows that module alone.
MAY_IMPORT = {
    CLIENT: set(),
    "scoring": {CLIENT},
    "storage": {CLIENT},
    "plumbline": {CLIENT, "storage", "scoring"},
    "worker": {CLIENT, "storage", "scoring", "plumbline"},
    "monitoring": {CLIENT, "storage", "scoring", "plumbline"},
    "training": {
        CLIENT,
        "scoring",
        "plumbline.errors",
        "plumbline.files",
        "plumbline.labels",
        "plumbline.program",
        "plumbline.system_errors",
        "plumbline.usage_errors",
        "plumbline.version",
    },
    "migrations": {CLIENT, "storage"},
}
# Single files that may import more than their package.
EXCEPTIONS = {
    "storage/migrate.py": {"migrations"},
    "storage/schema_version.py": {"migrations"},
    "worker/tasks.py": {"monitoring"},
}
# Only the drift report may import Evidently and pandas, and only when it is made.
REPORT_FILES = (
    "monitoring/drift/comparison.py",
    "monitoring/drift/text_content.py",
    "monitoring/drift/workspace.py",
)
# Libraries that cost seconds and hundreds of megabytes, and the places that may import them.
HEAVY: dict[str, str | tuple[str, ...]] = {
    "tensorflow": "training/",
    "keras": "training/",
    "evidently": REPORT_FILES,
    "pandas": REPORT_FILES,
    "scipy": "nowhere",
    "sklearn": "training/evaluation/baselines.py",
}
# What the packages below the worker never import.
FORBIDDEN = {
    CLIENT: {"celery", "kombu", "sqlalchemy", "pydantic"},
    "scoring": {"celery", "kombu", "sqlalchemy", "redis", "psycopg"},
    "storage": {"celery", "kombu", "redis"},
}


def imports(source: str) -> Iterator[str]:
    """Yield every module that a source imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "imports use the full module name"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(package: str) -> Iterator[tuple[str, list[str]]]:
    for path in sorted(FOLDERS[package].rglob("*.py")):
        name = path.relative_to(FOLDERS[package].parent).as_posix()
        yield name, list(imports(path.read_text(encoding="utf-8")))


def within(module: str, allowed: str) -> bool:
    return module == allowed or module.startswith(allowed + ".")


def loaded_modules(script: str, folder: Path = CHECKOUT) -> set[str]:
    """Run a script in a new process; return the top-level modules it has loaded in the end."""
    urls = {
        "PLUMBLINE_DATABASE_URL": "postgresql://nobody@localhost/none",
        "PLUMBLINE_BROKER_URL": "redis://localhost/0",
    }
    run = subprocess.run(
        [sys.executable, "-c", f"{script}\nimport sys\nprint(*sys.modules)"],
        cwd=folder,
        env=os.environ | urls,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    return {name.partition(".")[0] for name in run.stdout.split()}


def test_imports_inside_functions_are_found() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from e.f import g\n    import h\n"
    assert set(imports(source)) == {"a.b", "c.d", "e.f.g", "h"}


def test_a_dotted_name_allows_one_module_alone() -> None:
    assert within("plumbline.version.VERSION", "plumbline.version")
    assert not within("plumbline.versions", "plumbline.version")
    assert not within("plumbline.settings.Settings", "plumbline.version")


@pytest.mark.parametrize("package", MAY_IMPORT)
def test_a_package_imports_only_those_it_may(package: str) -> None:
    files = list(sources(package))
    assert files, f"{package}/ has no sources"
    for path, modules in files:
        allowed = MAY_IMPORT[package] | EXCEPTIONS.get(path, set())
        for module in modules:
            other = module.partition(".")[0]
            if other in MAY_IMPORT and other != package:
                assert any(within(module, name) for name in allowed), f"{path} imports {module}"


@pytest.mark.parametrize("package", FORBIDDEN)
def test_a_package_does_not_import_the_libraries_of_others(package: str) -> None:
    for path, modules in sources(package):
        libraries = {module.partition(".")[0] for module in modules}
        assert not libraries & FORBIDDEN[package], path


def test_heavy_libraries_are_imported_only_where_allowed() -> None:
    users: dict[str, set[str]] = {library: set() for library in HEAVY}
    for package in MAY_IMPORT:
        for path, modules in sources(package):
            for library in {module.partition(".")[0] for module in modules} & HEAVY.keys():
                users[library].add(path)
                assert path.startswith(HEAVY[library]), f"{path} imports {library}"
    # Otherwise the table above is out of date and guards nothing.
    assert users["evidently"] and users["tensorflow"]


def test_only_the_current_interface_of_evidently_is_used() -> None:
    for path, modules in sources("monitoring"):
        assert not [module for module in modules if within(module, "evidently.legacy")], path


def test_importing_the_worker_loads_no_heavy_library() -> None:
    loaded = loaded_modules(
        "import worker.celery, worker.tasks, worker.lifecycle\n"
        "import monitoring.drift.report, monitoring.quality.report\n"
        "import monitoring.alerts.evaluation, monitoring.alerts.webhook"
    )
    # Alembic is not as heavy, but each process of a worker would hold it.
    assert not loaded & (HEAVY.keys() | {"alembic"})


def test_importing_the_scorer_loads_neither_celery_nor_a_database_driver() -> None:
    loaded = loaded_modules("import scoring.scorer, scoring.artifact.artifact")
    assert not loaded & (HEAVY.keys() | FORBIDDEN["scoring"])
