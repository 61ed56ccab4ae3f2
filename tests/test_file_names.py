"""Names of files as text, whatever bytes they are made of."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vjax.file_names import as_text, shortened, stem_text


@pytest.mark.parametrize(
    ("name", "stem"),
    [(b"kick.one.wav", "kick.one"), ("Gl\xf6ckchen.vital".encode(), "Gl\xf6ckchen"), (b"caf\xe9.vital", "caf\ufffd")],
)
def test_bytes_that_are_no_text_are_replaced(name, stem):
    path = Path("folder") / os.fsdecode(name)
    assert stem_text(path) == stem
    as_text(path).encode()  # can be written
    assert as_text(path).startswith(os.path.join("folder", stem))


@given(st.text(), st.integers(1, 40))
def test_shortened_keeps_both_ends_and_the_width(text, width):
    short, end = shortened(text, width), (width - 1) // 2
    if len(text) <= width:
        assert short == text
    else:
        assert len(short) == width
        assert text.startswith(short[: width - 1 - end])
        assert text.endswith(short[width - end :])


def test_shortened_of_paths_that_differ_at_their_ends_differs():
    assert shortened("recordings/monday/bass one.wav", 16) == "recordin…one.wav"
    assert shortened("recordings/monday/bass two.wav", 16) == "recordin…two.wav"
