import io
import logging

from plumbline.last_resort import VisibleFormatter


def test_a_warning_of_a_library_is_one_entry_without_the_message_of_its_error() -> None:
    output = io.StringIO()
    handler = logging.StreamHandler(output)
    handler.setFormatter(VisibleFormatter())
    log = logging.Logger("a library")
    log.addHandler(handler)
    secret = "the secret text"
    try:
        raise ValueError(secret)
    except ValueError:
        log.exception("cannot use %s", "a\n[2026-11-27] forged \x1b[31m")
    first, *others = output.getvalue().splitlines()
    assert first == "cannot use a"
    assert others[0] == r"    [2026-11-27] forged \x1b[31m"
    assert all(line.startswith("    ") for line in others)
    assert secret not in output.getvalue()
