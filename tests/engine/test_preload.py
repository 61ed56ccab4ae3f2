import subprocess
import sys
from pathlib import Path

import pytest

SERVER = """
import multiprocessing.forkserver, os, sys
import vjax.engine.preload
multiprocessing.forkserver._forkserver._forkserver_address = sys.argv[1]
caller, left = os.getppid(), int(sys.argv[2])
def parent():
    global left
    left -= 1
    return 1 if left < 0 else caller
os.getppid = parent
"""


@pytest.mark.parametrize(("calls", "is_removed"), [(0, True), (5, True), (10**9, False)])
def test_fork_server_at_its_end_removes_its_socket_if_its_caller_ended(tmp_path, calls, is_removed):
    """The system gives the server another parent a moment after it has closed the pipe of a killed caller."""
    socket = tmp_path / "pymp-x" / "listener-x"
    socket.parent.mkdir()
    socket.touch()
    subprocess.run([sys.executable, "-c", SERVER, str(socket), str(calls)], check=True)
    assert Path(socket.parent).exists() != is_removed
