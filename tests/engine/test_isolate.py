"""Calls in a process of their own: results, errors, crashes and hangs."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from vjax.engine.isolate import IsolatedCallError, MachineError, call_isolated


def add(a, b):
    return a + b


def pick_first(first, _):
    return first


def complain():
    raise ValueError("knob_7 is 3")


def break_down():
    raise KeyError("nowhere")


def segfault():
    os.kill(os.getpid(), signal.SIGSEGV)


def end_by(number):
    os.kill(os.getpid(), number)


def leave():
    os._exit(3)


def hang():
    time.sleep(60)


def note_pid_and_hang(path):
    path.write_text(str(os.getpid()))
    hang()


class EndsWhileReadBack:
    """Ends the process that unpickles it, so many times."""

    def __init__(self, counter, times):
        self.counter, self.times = counter, times

    def __reduce__(self):
        return end_so_often, (self.counter, self.times)


def end_so_often(counter, times):
    done = len(counter.read_text()) if counter.exists() else 0
    if done < times:
        counter.write_text("x" * (done + 1))
        os._exit(1)
    return "read"


def call_that_hangs(path):
    call_isolated(note_pid_and_hang, path, timeout_s=5, method="fork")


def forked(function, *args):
    """The same call by fork, which only a single-threaded process may do: not this one, a child of it."""
    return call_isolated(function, *args, timeout_s=10, method="fork")


@pytest.mark.parametrize("call", [(add,), (forked, add)], ids=["forkserver", "fork"])
def test_result_comes_back(call):
    assert call_isolated(*call, 2, 3, timeout_s=30, method="forkserver") == 5


@pytest.mark.parametrize("call", [(complain,), (forked, complain)], ids=["forkserver", "fork"])
def test_value_error_is_raised_here(call):
    with pytest.raises(ValueError, match="knob_7 is 3"):
        call_isolated(*call, timeout_s=30, method="forkserver")


def test_other_errors_are_named():
    with pytest.raises(IsolatedCallError, match="failed: KeyError"):
        call_isolated(break_down, timeout_s=30, method="forkserver")


def test_crash_is_named_by_its_signal():
    with pytest.raises(IsolatedCallError, match=r"crashed: .*SIGSEGV"):
        call_isolated(segfault, timeout_s=30, method="forkserver")


@pytest.mark.parametrize(("number", "kind"), [(signal.SIGKILL, MachineError), (signal.SIGSEGV, IsolatedCallError)])
def test_call_isolated_of_a_process_killed_from_outside_blames_the_machine(number, kind):
    """As a machine without memory does; a defect in the call ends its process otherwise."""
    with pytest.raises(IsolatedCallError, match=number.name) as caught:
        call_isolated(end_by, number, timeout_s=30, method="forkserver")
    assert type(caught.value) is kind


def test_silent_exit_is_a_crash():
    with pytest.raises(IsolatedCallError, match=r"crashed: .*status 3"):
        call_isolated(leave, timeout_s=30, method="forkserver")


def test_crash_of_a_child_of_the_child_is_passed_on():
    with pytest.raises(IsolatedCallError, match="SIGSEGV"):
        call_isolated(forked, segfault, timeout_s=30, method="forkserver")


def test_hang_ends_at_the_limit():
    started = time.perf_counter()
    with pytest.raises(IsolatedCallError, match=r"hung: no answer within 0\.5 s"):
        call_isolated(hang, timeout_s=0.5, method="forkserver")
    assert time.perf_counter() - started < 20


def test_a_hanging_call_does_not_outlive_a_killed_caller(tmp_path):
    path = tmp_path / "pid"
    with pytest.raises(IsolatedCallError, match="hung"):
        # The caller has three seconds, its own call five: it is killed while that call still hangs.
        call_isolated(call_that_hangs, path, timeout_s=3, method="forkserver")
    pid = int(path.read_text())
    deadline = time.monotonic() + 15
    while is_running(pid) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not is_running(pid)


def is_running(pid: int) -> bool:
    """Whether a process is there and no zombie."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def test_a_process_that_ends_while_it_is_started_is_started_again(tmp_path):
    """What it is told is more than a pipe holds, so that the writing end breaks."""
    much = bytes(2**20)
    twice = EndsWhileReadBack(tmp_path / "twice", 2)
    assert call_isolated(pick_first, twice, much, timeout_s=30, method="forkserver") == "read"
    for_ever = EndsWhileReadBack(tmp_path / "for_ever", 99)
    with pytest.raises(IsolatedCallError, match=r"its process could not be started: .*Broken pipe"):
        call_isolated(pick_first, for_ever, much, timeout_s=30, method="forkserver")
    assert len((tmp_path / "for_ever").read_text()) == 3


BESIDE_EACH_OTHER = """
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


def test_threads_do_not_read_from_each_others_pipes():
    """`Process.start` of one thread is held up where it polls the processes of the others.

    Without `start_process` it comes back to numbers of other pipes, and this ends by SIGKILL: in a session of its own.
    """
    ran = subprocess.run(
        [sys.executable, "-c", BESIDE_EACH_OTHER], capture_output=True, text=True, timeout=120, start_new_session=True
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "{300000}\n", "")


def test_call_isolated_from_a_script_without_a_main_guard_returns(tmp_path):
    """People call vjax from the top level of a script, which each new process would run again."""
    script = tmp_path / "script.py"
    script.write_text(
        "import operator\n"
        "from vjax.engine.isolate import call_isolated\n"
        "print([call_isolated(operator.add, 1, 2, timeout_s=60, method=m) for m in ('spawn', 'forkserver')])\n"
    )
    result = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=120)
    assert (result.stdout, result.stderr) == ("[3, 3]\n", "")
