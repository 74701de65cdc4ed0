import hashlib
import zipfile
from pathlib import Path

import pytest

from training.data import sms_archive
from training.data.examples import Example
from training.data.sms_archive import is_sms_archive, read_sms_archive
from training.errors import DataInvalid

COLLECTION = "".join(
    f"{'spam' if n % 5 == 0 else 'ham'}\tmessage\tnumber {n}\n" for n in range(60)
).encode()


@pytest.fixture
def small_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the reader expect the hash of COLLECTION."""
    monkeypatch.setattr(sms_archive, "SHA256", hashlib.sha256(COLLECTION).hexdigest())


@pytest.mark.usefixtures("small_collection")
def test_collection_is_read_from_file_and_from_zip(tmp_path: Path) -> None:
    plain, packed = tmp_path / "SMSSpamCollection", tmp_path / "sms+spam+collection.zip"
    plain.write_bytes(COLLECTION)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("SMSSpamCollection", COLLECTION)
        archive.writestr("readme", "about the collection")
    other = tmp_path / "d.csv"
    other.write_text("text,label\na,0\n", encoding="utf-8")
    assert is_sms_archive(plain)
    assert is_sms_archive(packed)
    assert not is_sms_archive(other)
    assert read_sms_archive(plain) == read_sms_archive(packed)
    assert read_sms_archive(plain)[:2] == [
        Example("message\tnumber 0", 1),
        Example("message\tnumber 1", 0),
    ]


def test_other_content_under_that_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "SMSSpamCollection").write_bytes(COLLECTION)
    with pytest.raises(DataInvalid, match="is not the UCI SMS Spam Collection"):
        read_sms_archive(tmp_path / "SMSSpamCollection")
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("other", "")
    with pytest.raises(DataInvalid, match="is not an SMS Spam Collection archive"):
        read_sms_archive(tmp_path / "other.zip")
    assert not is_sms_archive(tmp_path / "other.zip")
    assert not is_sms_archive(tmp_path / "absent.zip")


@pytest.mark.data
def test_real_collection_is_read(shared_data: Path) -> None:
    examples = read_sms_archive(shared_data / "sms_spam" / "SMSSpamCollection")
    assert len(examples) == 5_574
    assert sum(example.label for example in examples) == 747
