"""Tests of the lock on an output folder."""

import os
import signal
import subprocess
import sys

import pytest

from vjax.io import folder_lock
from vjax.io.folder_lock import FolderInUseError, locked

_HOLD = """
import sys, time
from vjax.io.folder_lock import locked
with locked(sys.argv[1]):
    print("locked", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `tmp_path`."""
    process = subprocess.Popen([sys.executable, "-c", _HOLD, tmp_path], stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "locked\n"
    yield process
    process.kill()
    process.communicate()


def test_locked_in_another_process_names_it_and_the_folder(tmp_path, holder):
    with pytest.raises(FolderInUseError) as caught, locked(tmp_path):
        pass
    assert f"{tmp_path} is in use: process {holder.pid} on " in str(caught.value)
    assert "choose another folder" in str(caught.value)


def test_locked_after_sigkill_of_the_holder_locks_at_once(tmp_path, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    assert os.listdir(tmp_path) == [".vjax-lock"]
    with locked(tmp_path):
        pass
    assert os.listdir(tmp_path) == []


def test_locked_twice_in_one_process_is_refused_and_keeps_the_first(tmp_path):
    with locked(tmp_path):
        for _ in range(2):
            with pytest.raises(FolderInUseError, match=f"process {os.getpid()} "), locked(tmp_path):
                pass
    with locked(tmp_path):
        pass


def test_locked_through_a_link_is_the_same_folder(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "folder")
    with locked(tmp_path / "folder"), pytest.raises(FolderInUseError), locked(tmp_path / "link"):
        pass


def test_locked_without_a_folder_makes_it_and_removes_it_if_it_stays_empty(tmp_path):
    with locked(tmp_path / "empty"):
        assert (tmp_path / "empty").is_dir()
    with locked(tmp_path / "full"):
        (tmp_path / "full" / "a").touch()
    assert os.listdir(tmp_path) == ["full"]
    assert os.listdir(tmp_path / "full") == ["a"]


@pytest.mark.parametrize("kind", ["file", "empty folder", "nothing"])
def test_locked_beside_leaves_the_path_as_it_is(tmp_path, kind):
    path = tmp_path / "out"
    if kind == "file":
        path.write_text("content")
    elif kind == "empty folder":
        path.mkdir()
    with locked(path, beside=kind != "file"):
        assert ".out.vjax-lock" in os.listdir(tmp_path)
        assert not path.is_dir() or not os.listdir(path)
        with pytest.raises(FolderInUseError), locked(path, beside=kind != "file"):
            pass
    assert os.listdir(tmp_path) == ([] if kind == "nothing" else ["out"])


def test_locked_where_no_file_can_be_made_runs_the_block(tmp_path):
    (tmp_path / ".vjax-lock").mkdir()  # the tests may run as root, who can write everywhere
    with locked(tmp_path):
        ran = True
    assert ran


@pytest.mark.parametrize("error", [OSError(37, "No locks available"), OSError(95, "Operation not supported")])
def test_locked_on_a_file_system_without_locks_runs_the_block(tmp_path, monkeypatch, error):
    def flock(*_):
        raise error

    monkeypatch.setattr(folder_lock.fcntl, "flock", flock)
    with locked(tmp_path):
        ran = True
    assert ran


def test_locked_on_a_full_disk_still_locks(tmp_path, file_size_limit):
    in_use = pytest.raises(FolderInUseError, match="another process")
    with file_size_limit(0), locked(tmp_path), in_use, locked(tmp_path):
        pass


def test_locked_by_many_processes_lets_one_work_at_a_time(tmp_path):
    """Each process adds 1 to a counter, not atomically, whenever it gets the lock."""
    program = """
import pathlib, sys
from vjax.io.folder_lock import FolderInUseError, locked
folder = pathlib.Path(sys.argv[1])
done = 0
while done < 100:
    try:
        with locked(folder):
            (folder / "n").write_text(str(int((folder / "n").read_text()) + 1))
            done += 1
    except FolderInUseError:
        pass
"""
    (tmp_path / "n").write_text("0")
    processes = [subprocess.Popen([sys.executable, "-c", program, tmp_path]) for _ in range(3)]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    assert (tmp_path / "n").read_text() == "300"
    assert os.listdir(tmp_path) == ["n"]
