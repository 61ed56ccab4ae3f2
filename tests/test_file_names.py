"""Names of files as text, whatever bytes they are made of."""

import os
from pathlib import Path

import pytest

from vjax.file_names import as_text, stem_text


@pytest.mark.parametrize(
    ("name", "stem"),
    [(b"kick.one.wav", "kick.one"), ("Gl\xf6ckchen.vital".encode(), "Gl\xf6ckchen"), (b"caf\xe9.vital", "caf\ufffd")],
)
def test_bytes_that_are_no_text_are_replaced(name, stem):
    path = Path("folder") / os.fsdecode(name)
    assert stem_text(path) == stem
    as_text(path).encode()  # can be written
    assert as_text(path).startswith(os.path.join("folder", stem))
