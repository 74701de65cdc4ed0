"""Commands in the protocol of Redis, as clients send them: arrays of bulk strings."""

from __future__ import annotations

from collections.abc import Iterator


def encoded(*parts: bytes) -> bytes:
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(p), p) for p in parts)


def commands_in(received: bytearray) -> Iterator[tuple[bytes, list[bytes]]]:
    """Yield the complete commands, raw and as parts, and remove them from `received`."""
    while (parsed := _first_command(received)) is not None:
        length, parts = parsed
        raw = bytes(received[:length])
        del received[:length]
        yield raw, parts


def _first_command(received: bytearray) -> tuple[int, list[bytes]] | None:
    header = _number_after(received, 0, b"*")
    if header is None:
        return None
    count, position = header
    parts = []
    for _ in range(count):
        header = _number_after(received, position, b"$")
        if header is None or len(received) < header[1] + header[0] + 2:
            return None
        length, start = header
        parts.append(bytes(received[start : start + length]))
        position = start + length + 2
    return position, parts


def _number_after(received: bytearray, position: int, kind: bytes) -> tuple[int, int] | None:
    """Return the number and the position after its line; None if the line is incomplete."""
    end = received.find(b"\r\n", position)
    if end < 0:
        return None
    assert received[position : position + 1] == kind, bytes(received[position:end])
    return int(received[position + 1 : end]), end + 2
