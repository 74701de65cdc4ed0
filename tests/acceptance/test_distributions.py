"""Both distributions, built and installed in clean environments beside foreign packages.

The environments see the third-party packages of this one and nothing else of it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.paths import CHECKOUT
from tests.waiting import eventually

CLIENT = CHECKOUT / "clients" / "python"
FOREIGN = ("storage", "worker")
USE_CLIENT = """
import sys
import storage, worker
from plumbline_client import Client, Submission

assert storage.FOREIGN and worker.FOREIGN
with Client(*sys.argv[1:3], source="foreign") as client:
    receipt = client.submit("See you at six", key="k")
    assert receipt.new and receipt.published, receipt
    if sys.argv[3] == "wait":
        print(client.wait([receipt.job_id], timeout_s=60.0)[0].decision)
    else:
        print(client.result(receipt.job_id).state)
unwanted = {"sqlalchemy", "celery", "kombu", "pydantic", "plumbline", "scoring"} & set(sys.modules)
assert not unwanted, unwanted
"""


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment of its own, and a folder to work in."""

    folder: Path
    work: Path

    def program(self, name: str) -> str:
        return str(self.folder / "bin" / name)

    def run(self, *command: str, **settings: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command,
            cwd=self.work,
            env=self.variables(**settings),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )

    def variables(self, **settings: str) -> dict[str, str]:
        inherited = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PLUMBLINE_", "PYTHON", "VIRTUAL_ENV"))
        }
        return inherited | settings


@dataclass(frozen=True, slots=True)
class Built:
    wheel: Path
    sdist: Path


def build(project: Path, out: Path) -> Built:
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(out)]
    subprocess.run(command, cwd=project, check=True, capture_output=True, timeout=120)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return Built(wheel, sdist)


def rebuild_from_sdist(built: Built, out: Path) -> Path:
    """Build the wheel again from the unpacked sdist, which proves that the sdist is complete."""
    with tarfile.open(built.sdist) as archive:
        archive.extractall(out, filter="data")
    (project,) = out.iterdir()
    return build(project, out / "dist").wheel


def environment(folder: Path, *wheels: Path) -> Environment:
    venv.create(folder / "venv", with_pip=False, symlinks=True)
    made = Environment(folder / "venv", folder / "work")
    made.work.mkdir()
    # A path in a .pth file is added without the editable installs of that folder.
    (site_packages(made) / "third_party.pth").write_text(sysconfig.get_path("purelib") + "\n")
    subprocess.run(
        [
            sys.executable, "-m", "pip", "--python", made.program("python"), "install",
            "--quiet", "--no-index", "--no-deps", "--disable-pip-version-check",
            *map(str, wheels),
        ],
        check=True,
        capture_output=True,
        timeout=120,
    )  # fmt: skip
    return made


def site_packages(environment: Environment) -> Path:
    (folder,) = environment.folder.glob("lib/python*/site-packages")
    return folder


def write_foreign_packages(folder: Path) -> None:
    for name in FOREIGN:
        (folder / name).mkdir()
        (folder / name / "__init__.py").write_text("FOREIGN = True\n")


@pytest.fixture(scope="module")
def client_built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(CLIENT, tmp_path_factory.mktemp("client-dist"))


@pytest.fixture(scope="module")
def application_built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return build(CHECKOUT, tmp_path_factory.mktemp("application-dist"))


@pytest.fixture(scope="module")
def service(client_built: Built, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    """The environment of a service with its own `storage` and `worker`, and the client's wheel."""
    made = environment(tmp_path_factory.mktemp("service"), client_built.wheel)
    write_foreign_packages(site_packages(made))
    return made


@pytest.fixture(scope="module")
def application(
    client_built: Built, application_built: Built, tmp_path_factory: pytest.TempPathFactory
) -> Environment:
    """The application's environment. Its wheel is built from its sdist."""
    wheel = rebuild_from_sdist(application_built, tmp_path_factory.mktemp("sdist"))
    return environment(tmp_path_factory.mktemp("application"), wheel, client_built.wheel)


def test_the_client_distribution_contains_the_client_alone(
    client_built: Built, tmp_path: Path
) -> None:
    names = zipfile.ZipFile(client_built.wheel).namelist()
    packages = {name.partition("/")[0] for name in names if ".dist-info" not in name}
    assert packages == {"plumbline_client"}
    assert "plumbline_client/py.typed" in names
    rebuilt = rebuild_from_sdist(client_built, tmp_path)
    assert sorted(zipfile.ZipFile(rebuilt).namelist()) == sorted(names)


def test_the_application_distribution_contains_what_a_worker_needs(
    application_built: Built,
) -> None:
    names = set(zipfile.ZipFile(application_built.wheel).namelist())
    assert "migrations/versions/0001_ledger_and_results.py" in names
    assert "plumbline/shipped_models/sms-spam/1.0.0/manifest.json" in names
    assert "plumbline/shipped_models/sms-spam/1.0.0/model.int8.tflite" in names
    assert not [name for name in names if name.startswith(("tests/", "plumbline_client/"))]


def test_a_service_with_foreign_packages_uses_the_client(
    service: Environment, database_url: str, broker_url: str
) -> None:
    run = service.run(service.program("python"), "-c", USE_CLIENT, database_url, broker_url, "look")
    assert (run.returncode, run.stdout.strip()) == (0, "queued"), run.stderr


def test_celery_in_a_folder_with_a_foreign_worker_fails_in_one_sentence(
    application: Environment, tmp_path: Path
) -> None:
    (tmp_path / "worker.py").write_text("FOREIGN = True\n")
    foreign = Environment(application.folder, tmp_path)
    for app in (["-A", "worker"], ["--app=worker"], ["-A", "worker.celery:app"]):
        run = foreign.run(foreign.program("python"), "-m", "celery", *app, "worker")
        assert run.returncode == 1
        assert run.stderr == (
            f"`-A worker` would import {tmp_path}/worker.py, which is not Plumbline's package "
            "worker; start Celery in another folder, or name one with --workdir.\n"
        )
    run = foreign.run(foreign.program("python"), "-m", "celery", "plumbline")
    assert run.returncode == 0 and run.stdout.startswith("plumbline-scoring ")


@pytest.fixture
def worker_process(
    application: Environment, database_url: str, broker_url: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of the installed wheel, with the model that the wheel carries."""
    urls = {"PLUMBLINE_DATABASE_URL": database_url, "PLUMBLINE_BROKER_URL": broker_url}
    plumbline = application.program("plumbline")
    celery = [application.program("python"), "-m", "celery", "-A", "worker"]
    migrated = application.run(plumbline, "db", "upgrade", **urls)
    assert migrated.returncode == 0, migrated.stderr
    without_model = application.run(*celery, "worker", "--concurrency=1", **urls)
    assert without_model.returncode == 1
    assert "plumbline models install-shipped" in without_model.stderr
    installed = application.run(plumbline, "models", "install-shipped")
    assert installed.returncode == 0, installed.stderr
    log = application.work / "worker.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*celery, "worker", "--concurrency=1", "--loglevel=INFO"],
            cwd=application.work,
            env=application.variables(**urls),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
        )
    try:
        eventually(lambda: b" ready." in log.read_bytes(), 60.0, "the worker is not ready")
        yield process
    finally:
        process.terminate()
        process.wait(30.0)
        shutil.rmtree(application.work / "models")


def test_the_installed_application_scores_what_the_installed_client_submits(
    worker_process: subprocess.Popen[bytes],
    service: Environment,
    database_url: str,
    broker_url: str,
) -> None:
    run = service.run(service.program("python"), "-c", USE_CLIENT, database_url, broker_url, "wait")
    assert (run.returncode, run.stdout.strip()) == (0, "negative"), run.stderr
