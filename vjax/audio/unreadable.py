"""Why a file cannot be read as audio, and what to do about it."""

START_BYTES = 4096
"""Of a file, which show its format."""

_AGAIN = "copy, download or export it again"
_CONVERT = "is not supported; convert it to WAV or FLAC"
# By what a file begins with; "ftyp" is at its fifth byte.
_OTHERS = {
    b"ftyp": f"is an MP4 or M4A file, which {_CONVERT}",
    b"\x30\x26\xb2\x75": f"is a WMA file, which {_CONVERT}",
    b"\x1a\x45\xdf\xa3": f"is a WebM or Matroska file, which {_CONVERT}",
    b"#!AMR": f"is an AMR file, which {_CONVERT}",
    b"MThd": "is a MIDI file, which holds notes and no sound; record an instrument that plays them",
    b"PK\x03\x04": "is a ZIP archive; unpack it, and give the sounds in it",
    b"version https://git-lfs": "is a pointer of Git LFS; fetch the sound itself with `git lfs pull`",
    b"<!doctype": "is a web page; download the sound itself",
    b"<html": "is a web page; download the sound itself",
}
_SOUNDS = {
    b"fLaC": "a FLAC file",
    b"OggS": "an OGG file",
    b"RIFF": "a WAV file",
    b"RF64": "an RF64 file",
    b"BW64": "a BW64 file",
    b"FORM": "an AIFF file",
    b"ID3": "an MP3 file",
    b"\xff\xfb": "an MP3 file",
    b"\xff\xf3": "an MP3 file",
}
_READABLE_TAGS = 0x1, 0x2, 0x3, 0x6, 0x7, 0x11, 0x31, 0x50, 0x55, 0xFFFE  # of WAV files


def cause_and_remedy(content: bytes, reason: str) -> str:
    """Returns what is wrong with a file, and the remedy, for the end of an error message that begins with its path.

    Args:
      content: of the file; its first `START_BYTES` are enough.
      reason: what the reader reports.
    """
    start = content[:START_BYTES]
    if not start:
        return f"is empty: it has 0 bytes; {_AGAIN}"
    if not any(start):
        return f"begins with {len(start)} bytes of 0, so it is not a whole copy; {_AGAIN}"
    for magic, text in _OTHERS.items():
        if start[4:8] == magic or start.lower().startswith(magic.lower()):
            return text
    kind = next((kind for magic, kind in _SOUNDS.items() if start.startswith(magic)), "")
    at = start.find(b"fmt ") + 8
    tag = int.from_bytes(start[at : at + 2], "little")
    if kind == "a WAV file" and 8 <= at < len(start) - 1 and tag not in _READABLE_TAGS:
        return f"is a WAV file in the format 0x{tag:04x}, which is not supported; export it as PCM"
    if kind:
        return f"is {kind} that is damaged or cut off ({reason.strip().rstrip('.')}); {_AGAIN}"
    return f"cannot be read as audio ({reason.strip().rstrip('.')}); convert it to WAV or FLAC"
