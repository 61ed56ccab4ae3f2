"""Tests of atomic writes: a file appears complete or not at all."""

import os
from pathlib import Path

import pytest

from vjax.io.atomic import replacing, write_file
from vjax.io.errors import error_text


def test_replacing_replaces_the_file_at_the_end_of_the_block(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    with replacing(path) as partial:
        partial.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt()])
def test_replacing_with_an_error_keeps_the_old_file_and_leaves_no_other(tmp_path, error):
    path = tmp_path / "a.json"
    path.write_text("old")

    def fail(partial: Path) -> None:
        partial.write_text("half")
        raise error

    with pytest.raises(type(error)), replacing(path) as partial:
        fail(partial)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


@pytest.mark.parametrize("n_bytes", [100, 100_000])
def test_write_file_on_a_full_disk_names_the_file_and_keeps_the_old_one(tmp_path, n_bytes, file_size_limit):
    path = tmp_path / "a.json"
    path.write_text("old")
    with file_size_limit(50), pytest.raises(OSError, match="File too large") as caught:
        write_file(path, bytes(n_bytes))
    assert error_text(caught.value) == f"{path}: file too large"
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_replacing_with_an_error_before_a_write_raises_it(tmp_path):
    with pytest.raises(ValueError, match="early"), replacing(tmp_path / "a.json"):
        raise ValueError("early")
    assert os.listdir(tmp_path) == []


def test_replacing_with_unique_puts_the_process_id_into_the_name(tmp_path):
    with replacing(tmp_path / "a.npz", unique=True) as partial:
        assert partial.name == f"a.npz.{os.getpid()}.partial"
        partial.touch()
    assert os.listdir(tmp_path) == ["a.npz"]
