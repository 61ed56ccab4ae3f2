import errno
import os

import jax.numpy as jnp
import numpy as np
import pytest

from vjax.io.errors import error_text, is_expected
from vjax.io.json_files import write_json


def caught(work) -> Exception:
    with pytest.raises(Exception) as found:  # noqa: PT011, any error
        work()
    return found.value


def test_error_text_of_the_system_names_the_file_first(tmp_path):
    missing, folder = tmp_path / "a" / "b.json", tmp_path
    assert error_text(caught(lambda: missing.read_text())) == f"{missing}: no such file or directory"
    assert error_text(caught(lambda: folder.read_text())) == f"{folder}: is a directory"
    assert error_text(caught(lambda: os.stat(bytes(missing)))) == f"{missing}: no such file or directory"
    assert error_text(caught(lambda: write_json(missing, {}))).endswith(": no such file or directory")


def test_error_text_of_an_error_without_a_file_is_its_message():
    assert error_text(PermissionError("x cannot be written; give another path")) == (
        "x cannot be written; give another path"
    )
    assert "Bad file descriptor" in error_text(caught(lambda: os.fsync(10_000)))


def test_error_text_of_a_defect_names_its_type():
    error = caught(lambda: np.zeros(3).reshape(2, 2))
    assert not is_expected(error)
    assert error_text(error).startswith("internal error of vjax, which is not your mistake: ValueError: ")
    assert error_text(RuntimeError()) == "internal error of vjax, which is not your mistake: RuntimeError: no message"


def test_error_text_without_memory_says_so():
    error = caught(lambda: np.zeros(10**15))
    assert is_expected(error)
    assert error_text(error).startswith("the machine has too little memory (Unable to allocate")
    assert error_text(MemoryError()).endswith(" memory (MemoryError); free some, or use smaller batches")
    library = ImportError("parselmouth.so: failed to map segment from shared object")
    assert error_text(library).startswith("the machine has too little memory (parselmouth.so")
    assert error_text(RuntimeError("can't start new thread")).startswith("the machine has too little memory (can't st")


def test_error_text_of_a_device_without_memory_says_so():
    """jax raises it on a GPU too."""
    error = caught(lambda: jnp.zeros(10**14).block_until_ready())
    assert is_expected(error)
    assert error_text(error).startswith("the machine has too little memory (RESOURCE_EXHAUSTED: Out of memory")


def test_error_text_of_a_library_that_failed_for_lack_of_files_is_that_of_the_system():
    """As asyncio does, which then misses the attribute that it had no file for."""

    class Loop:
        def __init__(self):
            try:
                raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
            finally:
                self.close()

        def close(self):
            self.socket.close()

    error = caught(Loop)
    assert isinstance(error, AttributeError)
    assert is_expected(error)
    assert error_text(error) == "[Errno 24] Too many open files"


def test_is_expected_of_a_defect_after_another_error_of_the_system_is_false():
    def fail():
        try:
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        except OSError:
            return {}["x"]

    assert not is_expected(caught(fail))
