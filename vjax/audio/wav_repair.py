"""Finds the samples of a WAV file whose header is wrong, as that of a recorder that was switched off while it wrote."""

_WAV = b"RIFF", b"RF64", b"BW64"


def repaired_wav(content: bytes) -> bytes | None:
    """Returns a WAV file with correct sizes that holds the samples of a broken one; None if it finds no samples.

    It finds samples
    - behind a stated size of 0, or of more than the file holds;
    - behind a chunk of odd size without the padding byte that must follow it;
    - in an RF64 or BW64 file whose 64-bit sizes are missing or 0.
    """
    if content[:4] not in _WAV or content[8:12] != b"WAVE":
        return None
    at, sound_format = 12, b""
    while at + 8 <= len(content):
        name, size = content[at : at + 4], _size(content, at)
        at += 8
        if name == b"data":
            samples = content[at : at + size]
            if not size and not _are_chunks(content, at):
                samples = content[at:]
            if not sound_format or not samples:
                return None
            chunks = b"WAVE" + _chunk(b"fmt ", sound_format) + _chunk(b"data", samples)
            return _chunk(b"RIFF", chunks)
        if name == b"fmt ":
            sound_format = content[at : at + size]
        at += size
        unpadded = _is_chunk(content, at) and not _is_chunk(content, at + 1)
        at += size % 2 and not unpadded
    return None


def _chunk(name: bytes, content: bytes) -> bytes:
    return name + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def _size(content: bytes, at: int) -> int:
    return int.from_bytes(content[at + 4 : at + 8], "little")


def _is_chunk(content: bytes, at: int) -> bool:
    """Whether the eight bytes of a chunk's name and size are at `at`."""
    name = content[at : at + 4]
    if len(content) < at + 8 or not all(32 <= byte < 127 for byte in name):
        return False
    return name == b"data" or at + 8 + _size(content, at) <= len(content)


def _are_chunks(content: bytes, at: int) -> bool:
    """Whether everything from `at` to the end is whole chunks, so that it is not samples."""
    while at < len(content) and _is_chunk(content, at):
        size = _size(content, at)
        at += 8 + size + size % 2
    return at >= len(content)
