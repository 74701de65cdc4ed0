"""What kind of file some bytes begin, for files that are not text whatever their name says."""

from __future__ import annotations

import codecs
import re

GZIP = b"\x1f\x8b"
PARQUET = b"PAR1"
# (offset, first bytes, what the file is). From the formats' own specifications.
SIGNATURES = (
    (0, b"%PDF-", "a PDF document"),
    (0, b"{\\rtf", "an RTF document"),
    (0, b"%!PS", "a PostScript document"),
    (0, b"version https://git-lfs.", "a Git LFS pointer instead of the file itself"),
    (0, b"PK\x03\x04", "a ZIP archive, such as .xlsx or .docx"),
    (0, b"PK\x05\x06", "an empty ZIP archive"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Office document, such as .xls or .doc"),
    (0, GZIP, "gzip data"),
    (0, b"\x1f\x9d", "data compressed by compress"),
    (0, b"\x28\xb5\x2f\xfd", "Zstandard data"),
    (0, b"\xfd7zXZ\x00", "xz data"),
    (0, b"\x04\x22\x4d\x18", "LZ4 data"),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive"),
    (0, b"Rar!\x1a\x07", "a RAR archive"),
    (257, b"ustar", "a tar archive"),
    (0, b"SQLite format 3\x00", "an SQLite database"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (0, b"\x93NUMPY", "a NumPy array"),
    (0, b"\x7fELF", "a program (ELF)"),
    (0, b"\xca\xfe\xba\xbe", "a program (Mach-O or Java)"),
    (0, b"\xcf\xfa\xed\xfe", "a program (Mach-O)"),
    (0, b"\x00asm", "a program (WebAssembly)"),
    (0, b"\x89PNG", "a PNG image"),
    (0, b"\xff\xd8\xff", "a JPEG image"),
    (4, b"TFL3", "a TensorFlow Lite model"),
    (0, b"II*\x00", "a TIFF image"),
    (0, b"MM\x00*", "a TIFF image"),
)
# These begin with letters that a text may begin with as well, so the file must also contain a
# control character or bytes that are not UTF-8.
CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1a\x1c-\x1f]")
LETTER_SIGNATURES = (
    (0, PARQUET, "a Parquet file"),
    (0, b"PARE", "an encrypted Parquet file"),
    (0, b"BZh", "bzip2 data"),
    (0, b"LZIP", "lzip data"),
    (0, b"Obj\x01", "an Avro file"),
    (0, b"ORC", "an ORC file"),
    (0, b"ARROW1", "an Arrow file"),
    (0, b"GIF8", "a GIF image"),
    (0, b"RIFF", "a media file (RIFF)"),
    (0, b"OggS", "a media file (Ogg)"),
    (0, b"ID3", "a media file (MP3)"),
    (0, b"fLaC", "a media file (FLAC)"),
    (4, b"ftyp", "a media file (MP4)"),
    (0, b"BM", "a BMP image"),
    (0, b"MZ", "a program (Windows)"),
    (0, b"\x80\x04\x95", "a Python pickle"),
)


def kind_of(head: bytes) -> str | None:
    """Return what the file is, or None if its first bytes may be those of a text."""
    start = head.lstrip(b" \t\r\n") if head[:1].isspace() else head
    for offset, signature, kind in SIGNATURES:
        if start.startswith(signature, offset):
            return kind
    for offset, signature, kind in LETTER_SIGNATURES:
        if start.startswith(signature, offset) and _is_binary(head):
            return kind
    return None


def _is_binary(head: bytes) -> bool:
    if CONTROL.search(head):
        return True
    try:
        codecs.getincrementaldecoder("utf-8")().decode(head)
    except UnicodeDecodeError:
        return True
    return False
