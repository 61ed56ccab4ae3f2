"""Reads files that may be compressed, up to a limit: a few kilobytes of gzip can become terabytes."""

import gzip
import os

MOST_BYTES = 2**30
"""The largest content that is read. The catalogs of vjax have 10 MB."""


def read_unzipped(path: str | os.PathLike, most_bytes: int = MOST_BYTES) -> bytes:
    """Returns the content of a file, decompressed if it is gzip.

    Raises ValueError if the content is larger than `most_bytes`; OSError, EOFError or zlib.error if it cannot be read.
    """
    with open(path, "rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    with gzip.open(path) if is_gzip else open(path, "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(f"{path}: more than {most_bytes} bytes; expected at most as many")
    return content
