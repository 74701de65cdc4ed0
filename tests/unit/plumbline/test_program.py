import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import errno, os, sys
from plumbline.program import run_program
from plumbline.errors import FileUnreadable
def command():
    sys.stdout.write("accepted\\n" * {lines})
    {statement}
run_program(command)
"""
FULL = "/dev/full"


def run(
    statement: str, redirect: str = "", lines: int = 1, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Run a program in a shell with this redirection."""
    script = SCRIPT.format(statement=statement, lines=lines)
    return subprocess.run(
        ["/bin/sh", "-c", f'exec "$0" -c "$1" {redirect}', sys.executable, script],
        capture_output=True,
        env={"PATH": "/usr/bin:/bin", **environment},
        check=False,
    )


def sentence(done: subprocess.CompletedProcess[bytes], code: int = 1) -> str:
    printed = done.stderr.decode()
    assert done.returncode == code, printed
    assert "Traceback" not in printed and printed.count("\n") == 1, printed
    return printed.rstrip("\n")


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("raise FileUnreadable('a.csv cannot be read:\\nit is a folder.')", "it is a folder."),
        ("open('/nowhere/a\\\\nb')", r"/nowhere/a\nb cannot be used: No such file"),
        ("raise OSError(errno.ENOSPC, 'No space left on device', 'x.csv')", "free space"),
        ("raise MemoryError", "The memory is exhausted"),
        ("def f(): f()\n    f()", "nested too deeply"),
        ("'\\udcff'.encode()", "PYTHONUTF8=1"),
        ("import nothing_of_that_name", "nothing_of_that_name is not installed; install"),
    ],
)
def test_error_is_one_sentence_on_standard_error(statement: str, words: str) -> None:
    done = run(statement)
    assert words in sentence(done)
    assert done.stdout == b"accepted\n"


def test_defect_saves_its_traceback_for_this_user_alone(tmp_path: Path) -> None:
    printed = sentence(run("{}['hunter2']", TMPDIR=str(tmp_path)))
    (saved,) = tmp_path.iterdir()
    assert printed.endswith(f"is a defect of Plumbline. Its traceback is in {saved}.")
    assert "hunter2" not in printed
    # The line of code, but not the message of the error.
    assert "KeyError (message withheld" in saved.read_text()
    assert saved.stat().st_mode & 0o077 == 0


def test_defect_is_reported_if_no_folder_can_take_its_traceback(tmp_path: Path) -> None:
    printed = sentence(run("import tempfile; tempfile.tempdir = '/nowhere'; {}[0]"))
    assert printed.endswith("is a defect of Plumbline.")


@pytest.mark.parametrize("lines", [1, 100_000])
@pytest.mark.parametrize(
    ("redirect", "cause"), [(f">{FULL}", "No space left on device"), (">&-", "it is closed")]
)
@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_output_that_cannot_be_written_is_an_error(
    lines: int, redirect: str, cause: str, unbuffered: str
) -> None:
    printed = sentence(run("pass", redirect, lines, PYTHONUNBUFFERED=unbuffered))
    assert printed.startswith(f"Standard output cannot be written: {cause}")
    assert printed.endswith("What the command accepted or changed before remains.")


def test_output_that_cannot_be_written_does_not_hide_the_error_or_its_code() -> None:
    assert sentence(run("raise FileUnreadable('A is gone.')", f">{FULL}")).startswith("A is gone.")
    assert run("sys.exit(5)", ">&-").returncode == 5


@pytest.mark.parametrize("redirect", ["2>&-", f"2>{FULL}"])
def test_error_keeps_its_code_without_standard_error(redirect: str) -> None:
    done = run("sys.stderr.write('notice\\n' * 9999); sys.exit(4)", redirect)
    assert (done.returncode, done.stdout, done.stderr) == (4, b"accepted\n", b"")


def test_closed_streams_are_not_taken_by_files_that_the_command_opens() -> None:
    done = run("assert os.open('/', 0) > 2; sys.exit(7)", "<&- >&- 2>&-")
    assert done.returncode == 7


def test_closed_standard_input_cannot_be_read() -> None:
    assert "Bad file descriptor" in sentence(run("sys.stdin.read()", "<&-"))


def test_reader_that_has_left_is_not_an_error() -> None:
    done = run("pass", "| head -n 1", 100_000)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"accepted\n", b"")


def test_characters_that_the_locale_lacks_are_escaped_and_data_are_utf_8() -> None:
    posix = {"LC_ALL": "POSIX", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    text = "sys.stdout.write('\\U0001f600'); sys.stdout.flush()"
    data = (
        "from plumbline.standard_streams import data_stream; data_stream().write('\\U0001f600\\n')"
    )
    assert run(f"{text}; {data}", **posix).stdout == b"accepted\n\\U0001f600\xf0\x9f\x98\x80\n"
