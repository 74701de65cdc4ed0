"""Reads the UCI SMS Spam Collection from its archive."""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path

from training.data.examples import Example
from training.errors import DataInvalid

# Data set 228, CC BY 4.0: Almeida, Gómez Hidalgo, Yamakami (2011).
URL = "https://archive.ics.uci.edu/static/public/228/sms+spam+collection.zip"
MEMBER = "SMSSpamCollection"
SHA256 = "7d039a24a6083ed9ef0f806ebad56bbb976e3aeb8de05669173bfdc4996c239d"
LABELS = {"ham": 0, "spam": 1}


def is_sms_archive(path: Path) -> bool:
    """Return whether the path is that of the collection; other ZIP archives, as .xlsx, are not."""
    if path.name == MEMBER:
        return True
    try:
        with zipfile.ZipFile(path) as archive:
            return MEMBER in archive.namelist()
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile):
        return False


def read_sms_archive(path: Path) -> list[Example]:
    """Read `sms+spam+collection.zip` or the file inside it.

    Raises DataInvalid if the content is not that collection.
    """
    content = _content(path)
    sha256 = hashlib.sha256(content).hexdigest()
    if sha256 != SHA256:
        raise DataInvalid(
            f"{path} is not the UCI SMS Spam Collection v.1 (sha256 {sha256[:12]}..., expected "
            f"{SHA256[:12]}...); download it from {URL}."
        )
    examples = []
    for line in content.decode("utf-8").splitlines():
        label, _, text = line.partition("\t")
        examples.append(Example(text, LABELS[label]))
    return examples


def _content(path: Path) -> bytes:
    try:
        if path.name == MEMBER:
            return path.read_bytes()
        with zipfile.ZipFile(path) as archive:
            return archive.read(MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DataInvalid(f"{path} is not an SMS Spam Collection archive: {error}.") from error
