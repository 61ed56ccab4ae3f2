"""Tests of reading files that may be compressed."""

import gzip

import pytest

from vjax.io.unzipped import read_unzipped


def test_read_unzipped_returns_the_content(tmp_path):
    (tmp_path / "plain").write_bytes(b"content")
    (tmp_path / "zipped").write_bytes(gzip.compress(b"content"))
    assert read_unzipped(tmp_path / "plain") == read_unzipped(tmp_path / "zipped") == b"content"


def test_read_unzipped_of_a_gzip_bomb_stops_at_the_limit(tmp_path):
    """100 MB of zeros take 100 kB on the disk."""
    (tmp_path / "bomb").write_bytes(gzip.compress(bytes(10**8)))
    with pytest.raises(ValueError, match="bomb: more than 1000000 bytes"):
        read_unzipped(tmp_path / "bomb", 10**6)
