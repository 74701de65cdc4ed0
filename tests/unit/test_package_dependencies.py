"""Which house may use which, as docs/architecture.md draws it, and what a worker never imports."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.paths import CHECKOUT

HOUSES = ("plumbline", "scoring", "storage", "worker", "monitoring", "training", "migrations")

# What each house may use of the others; a name with a dot allows that one module alone.
MAY_USE = {
    "plumbline": {"storage", "scoring"},
    "scoring": set(),
    "storage": set(),
    "worker": {"storage", "scoring", "plumbline"},
    "monitoring": {"storage", "scoring", "plumbline"},
    "training": {"scoring", "plumbline.version"},
    "migrations": {"storage"},
}
# Single files that may use more than their house.
EXCEPTIONS = {
    "storage/migrate.py": {"migrations"},
    "worker/tasks.py": {
        "monitoring.alerts.evaluation",
        "monitoring.quality.report",
        "monitoring.drift.report",
        "monitoring.drift.request",
        "monitoring.alerts.webhook",
    },
}
# Libraries that cost seconds and hundreds of megabytes, and the only places that may import them.
# What a report alone brings in, when it is made.
REPORT_FILES = (
    "monitoring/drift/comparison.py",
    "monitoring/drift/text_content.py",
    "monitoring/drift/workspace.py",
)
HEAVY: dict[str, str | tuple[str, ...]] = {
    "tensorflow": "training/",
    "keras": "training/",
    "evidently": REPORT_FILES,
    "pandas": REPORT_FILES,
    "scipy": "nowhere",
    "sklearn": "nowhere",
}


def imports(source: str) -> Iterator[str]:
    """Every module a source imports, inside functions too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module and not node.level, "imports name the whole module"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def sources(house: str) -> Iterator[tuple[str, list[str]]]:
    for path in sorted((CHECKOUT / house).rglob("*.py")):
        yield path.relative_to(CHECKOUT).as_posix(), list(imports(path.read_text(encoding="utf-8")))


def within(module: str, allowed: str) -> bool:
    return module == allowed or module.startswith(allowed + ".")


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import a.b\nfrom c import d\ndef f():\n    from e.f import g\n    import h\n"
    assert set(imports(source)) == {"a.b", "c.d", "e.f.g", "h"}


def test_a_name_with_a_dot_allows_that_module_alone() -> None:
    assert within("plumbline.version.VERSION", "plumbline.version")
    assert not within("plumbline.versions", "plumbline.version")
    assert not within("plumbline.settings.Settings", "plumbline.version")


@pytest.mark.parametrize("house", HOUSES)
def test_a_house_uses_only_those_it_may(house: str) -> None:
    found = list(sources(house))
    assert found, f"{house}/ has no sources"
    for path, modules in found:
        allowed = MAY_USE[house] | EXCEPTIONS.get(path, set())
        for module in modules:
            other = module.partition(".")[0]
            if other in HOUSES and other != house:
                assert any(within(module, name) for name in allowed), f"{path} imports {module}"


def test_the_heavy_libraries_stay_where_they_belong() -> None:
    users: dict[str, set[str]] = {library: set() for library in HEAVY}
    for house in HOUSES:
        for path, modules in sources(house):
            for library in {module.partition(".")[0] for module in modules} & HEAVY.keys():
                users[library].add(path)
                assert path.startswith(HEAVY[library]), f"{path} imports {library}"
    # Else the list above has gone stale and guards nothing.
    assert users["evidently"] and users["tensorflow"]


def test_evidently_is_used_by_its_current_interface_alone() -> None:
    for path, modules in sources("monitoring"):
        assert not [module for module in modules if within(module, "evidently.legacy")], path


def test_a_scoring_worker_imports_nothing_heavy() -> None:
    script = (
        "import sys, worker.celery, worker.tasks, worker.lifecycle, monitoring.drift.report\n"
        "import monitoring.quality.report, monitoring.alerts.evaluation, monitoring.alerts.webhook\n"
        f"print(*(sys.modules.keys() & {set(HEAVY)!r}))"
    )
    urls = {
        "PLUMBLINE_DATABASE_URL": "postgresql://nobody@localhost/none",
        "PLUMBLINE_BROKER_URL": "redis://localhost/0",
    }
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        env=os.environ | urls,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.split() == []


def test_the_python_door_does_without_celery() -> None:
    script = "import sys, plumbline.client; print(*(sys.modules.keys() & {'celery', 'kombu'}))"
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    assert run.stdout.strip() == ""
