"""The command line where the shell, the disk, the user or the locale are not as usual."""

from __future__ import annotations

import json
import shlex
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import Engine, text

from tests.command import PLUMBLINE, TIMEOUT_S, Cli

EMOJI = "\U0001f389"
POSIX = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
UNWRITABLE = [
    (">/dev/full", "No space left on device", "results --json"),
    (">&-", "it is closed", "status"),
]
# A user id without a name, as OpenShift assigns it.
NAMELESS = 1_000_660_000
# Another user may read everything, since the Python of root is often in a private folder.
NAMELESS_USER = (
    f"setpriv --reuid {NAMELESS} --regid {NAMELESS} --clear-groups "
    "--inh-caps +dac_read_search --ambient-caps +dac_read_search"
)
needs_setpriv = pytest.mark.skipif(
    subprocess.run(
        ["/bin/sh", "-c", f"{NAMELESS_USER} true"], capture_output=True, check=False
    ).returncode
    != 0,
    reason="needs setpriv, and root with all capabilities",
)


def shell(cli: Cli, script: str) -> subprocess.CompletedProcess[bytes]:
    """Run a script in which $P is the command; fail if anything prints a traceback."""
    done = subprocess.run(
        ["/bin/bash", "-c", f"P={shlex.quote(str(PLUMBLINE))}; {script}"],
        capture_output=True,
        cwd=cli.folder,
        env=cli.environment,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert b"Traceback" not in done.stderr, done.stderr.decode()
    return done


def sentence(done: subprocess.CompletedProcess[bytes]) -> str:
    printed = done.stderr.decode()
    assert done.returncode == 1, printed
    assert printed.count("\n") == 1, printed
    return printed.rstrip("\n")


def count_jobs(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM plumbline.jobs")).scalar_one())


@pytest.mark.parametrize(("redirect", "cause", "reading"), UNWRITABLE)
def test_output_that_cannot_be_written_is_one_sentence_and_what_was_accepted_remains(
    cli: Cli, engine: Engine, redirect: str, cause: str, reading: str
) -> None:
    for command in (reading, "submit --text hi --json"):
        printed = sentence(shell(cli, f"$P {command} {redirect}"))
        assert printed.startswith(f"Standard output cannot be written: {cause}"), command
    assert count_jobs(engine) == 1


def test_submission_whose_reader_has_gone_reports_what_it_accepted(
    cli: Cli, engine: Engine
) -> None:
    cli.write("many.txt", "".join(f"text {number}\n" for number in range(2_000)))
    done = shell(cli, "set -o pipefail; $P submit many.txt --json | head -n 1")
    printed = done.stderr.decode()
    assert done.returncode == 1
    assert "which stay accepted; without --key-column" in printed
    assert "the rest of the texts is not submitted." in printed
    assert 0 < count_jobs(engine) < 2_000


def test_watched_status_in_a_pipe_prints_each_refresh_and_ends_with_its_reader(cli: Cli) -> None:
    script = """
        set -o pipefail
        $P status --watch --every 0.2 |
            for refresh in 1 2; do
                until read -r line && [[ $line == *workers* ]]; do :; done
                echo "$line"
            done
    """
    done = shell(cli, script)
    assert (done.returncode, done.stdout.count(b"workers")) == (0, 2)


def test_data_are_utf_8_in_every_locale(cli: Cli) -> None:
    posix = replace(cli, environment={**cli.environment, **POSIX})
    posix.run("submit", "--text", f"party {EMOJI}", "--source", EMOJI)
    assert EMOJI in posix.run("results", "--format", "csv")
    assert json.loads(posix.run("results", "--json"))["results"][0]["source"] == EMOJI
    # A table shows what the locale lacks as its escape sequence.
    assert r"\U0001f389" in posix.run("results")


def test_env_file_of_another_system_is_read(cli: Cli) -> None:
    cli.write(".env", "PLUMBLINE_MODEL=other/2.0.0\r\n".encode("utf-16"))
    assert "other/2.0.0" in cli.run("settings")


def test_env_file_that_cannot_be_used_is_one_sentence(cli: Cli) -> None:
    cli.write(".env", b"PLUMBLINE_SOURCE=caf\xe9\n")
    assert "PLUMBLINE_SOURCE in .env is not UTF-8; save" in cli.error("settings")
    (cli.folder / ".env").unlink()
    (cli.folder / ".env").symlink_to(".env")
    assert "symbolic link" in cli.error("settings")


def test_unknown_log_level_is_one_sentence(cli: Cli) -> None:
    refused = cli.with_settings(log_level="loud").error("up")
    assert refused.endswith("DEBUG, INFO, WARNING, ERROR or CRITICAL, not 'loud'.")


@needs_setpriv
def test_user_without_name_home_and_writable_folders(cli: Cli, tmp_path: Path) -> None:
    """As in OpenShift. Only starting a PostgreSQL needs a name, and it says so."""
    public = tmp_path / "public"
    public.mkdir()
    public.chmod(0o777)
    cli.run("submit", "--text", "hi")
    cli.write("labels.csv", f"job_id,label\n{cli.json('results')['results'][0]['job_id']},0\n")
    done = shell(
        cli,
        f"export -n HOME USER LOGNAME; unset HOME USER LOGNAME; P='{NAMELESS_USER} '$P; "
        "$P submit --text hi && $P label labels.csv && $P status > /dev/null",
    )
    assert done.returncode == 0, done.stderr.decode()
    embedded = cli.with_settings(database_url="", broker_url="")
    refused = sentence(shell(embedded, f"{NAMELESS_USER} $P up"))
    assert ".plumbline/workers cannot be created: Permission denied; " in refused
    refused = sentence(
        shell(embedded.with_settings(state_dir=public / "s"), f"{NAMELESS_USER} $P up")
    )
    assert f"a line for the user id {NAMELESS} to /etc/passwd" in refused


def test_export_that_cannot_be_written_names_cause_and_cure(cli: Cli) -> None:
    (cli.folder / "x.csv").touch()
    for output, cure in (("none/x.csv", "create what"), ("x.csv/y.csv", "which a part is a file")):
        refused = cli.error("results", "--output", output)
        assert f"{output} cannot be written: " in refused and cure in refused


def test_export_to_a_full_disk_names_cause_and_cure(cli: Cli) -> None:
    cli.write("many.txt", "".join(f"text {number}\n" for number in range(300)))
    cli.run("submit", "many.txt")
    # The limit of a file's size, since a test cannot fill a disk.
    done = shell(cli, "ulimit -f 8; $P results --output many.csv")
    assert "many.csv cannot be written: File too large; raise the limit" in sentence(done)
    assert not list(cli.folder.glob("many.csv*"))


def test_state_folder_that_cannot_exist_is_one_sentence(cli: Cli) -> None:
    (cli.folder / "file").touch()
    (cli.folder / "loop").symlink_to("loop")
    local = cli.with_settings(database_url="", broker_url="")
    for folder, cause in (
        ("file/x", "Not a dir"),
        ("loop", "symbolic link"),
        ("x" * 300, "too lo"),
    ):
        assert cause in local.with_settings(state_dir=folder).error("up"), folder
    done = shell(
        local.with_settings(state_dir="state"), "mkdir gone; cd gone; rmdir ../gone; $P up"
    )
    assert "The current folder no longer exists" in sentence(done)
