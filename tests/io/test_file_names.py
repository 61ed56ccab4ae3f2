"""Names of files as text, whatever bytes they are made of."""

import os
from pathlib import Path

import pytest

from vjax.io.file_names import as_text, shortened, stem_text


@pytest.mark.parametrize(
    ("name", "stem"),
    [(b"kick.one.wav", "kick.one"), ("Gl\xf6ckchen.vital".encode(), "Gl\xf6ckchen"), (b"caf\xe9.vital", "caf\ufffd")],
)
def test_bytes_that_are_no_text_are_replaced(name, stem):
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
def test_shortened_keeps_both_ends(text, width, expected):
    found = shortened(text, width)
    assert len(found) <= width
    assert found == expected


def test_shortened_keeps_apart_what_differs_at_either_end():
    prefix, suffix = "take-of-a-long-session-in-the-studio-", "-of-a-long-session-in-the-studio.wav"
    assert shortened(prefix + "01.wav", 30) != shortened(prefix + "02.wav", 30)
    assert shortened("bass" + suffix, 30) != shortened("lead" + suffix, 30)
