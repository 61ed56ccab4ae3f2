"""Tests of file names as text, for any bytes."""

import os
from pathlib import Path

import pytest

from vjax.io.file_names import as_text, shortened, stem_text


@pytest.mark.parametrize(
    ("name", "stem"),
    [(b"kick.one.wav", "kick.one"), ("Gl\xf6ckchen.vital".encode(), "Gl\xf6ckchen"), (b"caf\xe9.vital", "caf\ufffd")],
)
def test_as_text_of_bytes_that_are_not_utf8_replaces_them(name, stem):
    path = Path("folder") / os.fsdecode(name)
    assert stem_text(path) == stem
    as_text(path).encode()  # can be written
    assert as_text(path).startswith(os.path.join("folder", stem))


@pytest.mark.parametrize(
    ("text", "width", "expected"),
    [
        ("kick", 30, "kick"),
        ("exactly-ten", 11, "exactly-ten"),
        ("drums/loops/2024/kick-01.wav", 20, "drums/...kick-01.wav"),
        ("abcdef", 4, "a..."),
        ("abcdef", 2, ".."),
        ("", 5, ""),
    ],
)
def test_shortened_of_a_long_text_keeps_both_ends(text, width, expected):
    found = shortened(text, width)
    assert len(found) <= width
    assert found == expected


def test_shortened_of_names_that_differ_at_either_end_differs():
    prefix, suffix = "take-of-a-long-session-in-the-studio-", "-of-a-long-session-in-the-studio.wav"
    assert shortened(prefix + "01.wav", 30) != shortened(prefix + "02.wav", 30)
    assert shortened("bass" + suffix, 30) != shortened("lead" + suffix, 30)
