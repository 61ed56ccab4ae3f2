"""Tests of calls in a process of their own: results, errors, crashes and hangs."""

import multiprocessing.forkserver
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from vjax.engine import isolate
from vjax.engine.isolate import IsolatedCallError, MachineError, call_isolated, can_fork

needs_a_fork_server = pytest.mark.skipif(not can_fork(), reason="there is a fork server only where processes can fork")


def add(a, b):
    return a + b


def pick_first(first, _):
    return first


def raise_value_error():
    raise ValueError("knob_7 is 3")


def raise_key_error():
    raise KeyError("missing")


def segfault():
    os.kill(os.getpid(), signal.SIGSEGV)


def end_by(number):
    os.kill(os.getpid(), number)


def exit_with_status_3():
    os._exit(3)


def hang():
    time.sleep(60)


def note_pid_and_hang(path):
    path.write_text(str(os.getpid()))
    hang()


class EndsWhileUnpickled:
    """Ends the process that unpickles it, the first `times` times."""

    def __init__(self, counter, times):
        self.counter, self.times = counter, times

    def __reduce__(self):
        return end_at_first, (self.counter, self.times)


def end_at_first(counter, times):
    done = len(counter.read_text()) if counter.exists() else 0
    if done < times:
        counter.write_text("x" * (done + 1))
        os._exit(1)
    return "read"


def call_that_hangs(path):
    call_isolated(note_pid_and_hang, path, timeout_s=5, method="fork")


def forked(function, *args):
    """The same call by fork. Only a single-threaded process may fork, so a child of this process makes the call."""
    return call_isolated(function, *args, timeout_s=10, method="fork")


@pytest.mark.parametrize("call", [(add,), (forked, add)], ids=["forkserver", "fork"])
def test_call_isolated_returns_the_result(call):
    assert call_isolated(*call, 2, 3, timeout_s=30, method="forkserver") == 5


@pytest.mark.parametrize("call", [(raise_value_error,), (forked, raise_value_error)], ids=["forkserver", "fork"])
def test_call_isolated_with_a_value_error_raises_it(call):
    with pytest.raises(ValueError, match="knob_7 is 3"):
        call_isolated(*call, timeout_s=30, method="forkserver")


def test_call_isolated_with_another_error_names_it():
    with pytest.raises(IsolatedCallError, match="failed: KeyError"):
        call_isolated(raise_key_error, timeout_s=30, method="forkserver")


def test_call_isolated_with_a_crash_names_the_signal():
    with pytest.raises(IsolatedCallError, match=r"crashed: .*SIGSEGV"):
        call_isolated(segfault, timeout_s=30, method="forkserver")


@pytest.mark.parametrize(
    ("number", "kind"),
    [
        (signal.SIGKILL, MachineError),
        (signal.SIGHUP, MachineError),
        (signal.SIGINT, MachineError),
        (signal.SIGSEGV, IsolatedCallError),
    ],
)
def test_call_isolated_of_a_process_killed_from_outside_blames_the_machine(number, kind):
    """A machine without memory ends a process with SIGKILL. A defect of the call ends it with another signal."""
    with pytest.raises(IsolatedCallError, match=number.name) as caught:
        call_isolated(end_by, number, timeout_s=30, method="forkserver")
    assert type(caught.value) is kind


def without_memory():
    raise MemoryError


def without_files():
    raise OSError(24, "Too many open files")


@pytest.mark.parametrize("call", [without_memory, without_files])
def test_call_isolated_of_a_call_without_memory_or_files_blames_the_machine(call):
    with pytest.raises(MachineError, match=r"failed: (MemoryError|OSError)"):
        call_isolated(call, timeout_s=30, method="forkserver")


def test_call_isolated_with_an_exit_status_is_a_crash():
    with pytest.raises(IsolatedCallError, match=r"crashed: .*status 3"):
        call_isolated(exit_with_status_3, timeout_s=30, method="forkserver")


def test_call_isolated_with_a_crash_of_a_grandchild_names_the_signal():
    with pytest.raises(IsolatedCallError, match="SIGSEGV"):
        call_isolated(forked, segfault, timeout_s=30, method="forkserver")


def test_call_isolated_with_a_hang_ends_at_the_limit():
    started = time.perf_counter()
    with pytest.raises(IsolatedCallError, match=r"hung: no result within 0\.5 s"):
        call_isolated(hang, timeout_s=0.5, method="forkserver")
    assert time.perf_counter() - started < 20


def test_call_isolated_of_a_killed_caller_leaves_no_hanging_process(tmp_path):
    path = tmp_path / "pid"
    with pytest.raises(IsolatedCallError, match="hung"):
        # The caller may take two seconds, and its own call five. So the caller is killed while its call still hangs.
        call_isolated(call_that_hangs, path, timeout_s=2, method="forkserver")
    pid = int(path.read_text())
    deadline = time.monotonic() + 15
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process exists and is not a zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


HANGING = """
import os, sys, threading, time
from pathlib import Path
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import call_isolated
from vjax.engine.live import LivePreset
from vjax.engine.pool import prepare_method
from vjax.engine.synth import init_preset

def note(name):
    Path(name).write_text(str(os.getpid()))
    time.sleep(100)

def note_and_fork():
    Path("caller").write_text(str(os.getpid()))
    call_isolated(note, "forked", timeout_s=100, method="fork")

if __name__ == "__main__":
    import hanging
    prepare_method()
    for task in ((hanging.note, "called"), (hanging.note_and_fork,)):
        call = lambda *task: call_isolated(*task, timeout_s=100, method="forkserver")
        threading.Thread(target=call, args=task, daemon=True).start()
    live = LivePreset(init_preset(), 48, RenderConfig(0.1, 0.1))
    assert live.render({}).audio is not None
    names = ("called", "caller", "forked")
    while not all(Path(name).exists() and Path(name).read_text() for name in names):
        time.sleep(0.05)
    server = __import__("multiprocessing.forkserver").forkserver._forkserver._forkserver_pid
    print(live._process.pid, server, *(Path(name).read_text() for name in names), flush=True)
    time.sleep(100)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, a process ends when its call is over")
@needs_a_fork_server
@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_call_isolated_of_a_killed_program_leaves_no_process_no_file_and_no_traceback(tmp_path, number):
    (tmp_path / "hanging.py").write_text(HANGING)
    (tmp_path / "temporary").mkdir()
    environment = os.environ | {"TMPDIR": str(tmp_path / "temporary")}
    command = [sys.executable, "hanging.py"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    program = subprocess.Popen(command, cwd=tmp_path, env=environment, **pipes)
    pids = [int(pid) for pid in program.stdout.readline().split()]
    assert len(pids) == 5
    program.send_signal(number)
    _, err = program.communicate(timeout=30)  # the pipes close when all processes have ended
    assert (program.returncode, err) == (-number, "")
    deadline = time.monotonic() + 5
    while any(map(is_running, pids)) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not [pid for pid in pids if is_running(pid)]
    assert not list((tmp_path / "temporary").iterdir())


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, the process finishes its call")
@needs_a_fork_server
def test_call_isolated_of_a_killed_fork_server_blames_the_machine(tmp_path):
    path = tmp_path / "pid"
    with ThreadPoolExecutor(1) as threads:
        called = threads.submit(call_isolated, note_pid_and_hang, path, timeout_s=30, method="forkserver")
        while not path.exists():
            time.sleep(0.02)
        os.kill(multiprocessing.forkserver._forkserver._forkserver_pid, signal.SIGKILL)
        with pytest.raises(MachineError, match="status 255"):
            called.result()
    assert call_isolated(add, 2, 3, timeout_s=30, method="forkserver") == 5  # from a new fork server


@pytest.mark.skipif(not can_fork(), reason="Python itself waits for ever for a spawned process that ends at its start")
def test_call_isolated_with_a_process_that_ends_at_its_start_tries_again(tmp_path, monkeypatch):
    """The arguments are larger than the buffer of a pipe, so that the write fails."""
    monkeypatch.setattr(isolate, "_PAUSE_S", 0.01)
    large = bytes(2**20)
    twice = EndsWhileUnpickled(tmp_path / "twice", 2)
    assert call_isolated(pick_first, twice, large, timeout_s=30, method="forkserver") == "read"
    always = EndsWhileUnpickled(tmp_path / "always", 99)
    with pytest.raises(IsolatedCallError, match=r"its process could not be started: .*Broken pipe"):
        call_isolated(pick_first, always, large, timeout_s=30, method="forkserver")
    assert len((tmp_path / "always").read_text()) == 3


CALLS_FROM_THREADS = """
import multiprocessing.forkserver as server, sys, time
from concurrent.futures import ThreadPoolExecutor
from vjax.engine.isolate import call_isolated

read = server.read_signed

def read_late(number):
    caller = sys._getframe(1)
    if (caller.f_code.co_name, caller.f_back.f_code.co_name) == ("poll", "_cleanup"):
        time.sleep(0.01)
    return read(number)

server.read_signed = read_late
with ThreadPoolExecutor(4) as threads:
    lengths = threads.map(lambda _: call_isolated(len, bytes(300_000), timeout_s=20, method="forkserver"), range(100))
    print(set(lengths))
"""


def test_call_isolated_with_a_long_path_for_temporary_files_returns(tmp_path):
    """The path of a socket has at most 108 bytes. The temporary folder of the fork server is removed at the end."""
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    code = """
import multiprocessing.util, tempfile
from vjax.engine.isolate import call_isolated
if __name__ == "__main__":
    print(call_isolated(abs, -3, timeout_s=60, method="forkserver"), tempfile.gettempdir())
    print(multiprocessing.util.get_temp_dir())
"""
    environment = os.environ | {"TMPDIR": str(deep)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.stderr == ""
    first, used = done.stdout.splitlines()
    assert first == f"3 {deep}"
    assert not Path(used).is_relative_to(deep)
    assert not Path(used).exists()


@needs_a_fork_server
def test_call_isolated_without_a_short_path_names_tmpdir(tmp_path):
    deep = tmp_path / ("x" * 100)
    deep.mkdir()
    code = """
import os
from vjax.engine.isolate import call_isolated
os.access = lambda *_: False
call_isolated(abs, -3, timeout_s=60, method="forkserver")
"""
    environment = os.environ | {"TMPDIR": str(deep)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert f"AF_UNIX path too long; set TMPDIR to a short path, it is {deep}" in done.stderr


def test_call_isolated_from_several_threads_returns_every_result():
    """`Process.start` of one thread is delayed where it polls the processes of the other threads.

    Without `start_process`, it would then read from pipes of other processes, and SIGKILL would end the process group.
    So the script runs in a session of its own.
    """
    finished = subprocess.run(
        [sys.executable, "-c", CALLS_FROM_THREADS], capture_output=True, text=True, timeout=120, start_new_session=True
    )
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, "{300000}\n", "")


def test_call_isolated_from_a_script_without_a_main_guard_returns(tmp_path):
    """Users call vjax from the top level of a script. Each new process would run such a script again."""
    script = tmp_path / "script.py"
    script.write_text(
        "import operator\n"
        "from vjax.engine.isolate import call_isolated\n"
        "print([call_isolated(operator.add, 1, 2, timeout_s=60, method=m) for m in ('spawn', 'forkserver')])\n"
    )
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (result.stdout, result.stderr) == ("[3, 3]\n", "")
