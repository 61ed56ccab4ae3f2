"""Calls in a process of their own: results, errors, crashes and hangs."""

import os
import signal
import time

import pytest

from vjax.vital.isolate import IsolatedCallError, call_isolated

METHODS = ("fork", "forkserver")


def add(a, b):
    return a + b


def complain():
    raise ValueError("knob_7 is 3")


def break_down():
    raise KeyError("nowhere")


def segfault():
    os.kill(os.getpid(), signal.SIGSEGV)


def leave():
    os._exit(3)


def hang():
    time.sleep(60)


def nested_crash():
    return call_isolated(segfault, timeout_s=10, method="fork")


@pytest.mark.parametrize("method", METHODS)
def test_result_comes_back(method):
    assert call_isolated(add, 2, 3, timeout_s=30, method=method) == 5


@pytest.mark.parametrize("method", METHODS)
def test_value_error_is_raised_here(method):
    with pytest.raises(ValueError, match="knob_7 is 3"):
        call_isolated(complain, timeout_s=30, method=method)


def test_other_errors_are_named():
    with pytest.raises(IsolatedCallError, match="failed: KeyError"):
        call_isolated(break_down, timeout_s=30, method="forkserver")


def test_crash_is_named_by_its_signal():
    with pytest.raises(IsolatedCallError, match=r"crashed: .*SIGSEGV"):
        call_isolated(segfault, timeout_s=30, method="forkserver")


def test_silent_exit_is_a_crash():
    with pytest.raises(IsolatedCallError, match=r"crashed: .*status 3"):
        call_isolated(leave, timeout_s=30, method="forkserver")


def test_crash_of_a_child_of_the_child_is_passed_on():
    with pytest.raises(IsolatedCallError, match="SIGSEGV"):
        call_isolated(nested_crash, timeout_s=30, method="forkserver")


def test_hang_ends_at_the_limit():
    started = time.perf_counter()
    with pytest.raises(IsolatedCallError, match=r"hung: no answer within 0\.5 s"):
        call_isolated(hang, timeout_s=0.5, method="forkserver")
    assert time.perf_counter() - started < 20
