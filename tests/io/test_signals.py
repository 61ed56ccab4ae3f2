"""Tests of how a command is stopped: exit codes, the line on stderr, and what is left."""

import os
import signal
import subprocess
import sys
import time

import pytest

STOPS = {
    signal.SIGINT: (130, "Ctrl-C"),
    signal.SIGTERM: (143, "SIGTERM"),
    signal.SIGHUP: (129, "SIGHUP, because the terminal was closed"),
}


def start(interruptible, work: str, **options) -> subprocess.Popen:
    """A process that runs the body `work` of a function as a command, once it has printed a line."""
    code = "import os, signal, sys, threading, time\nfrom vjax.cli.command import run\nfrom vjax.io.signals import *\n"
    code += "def work():\n    " + work.replace("\n", "\n    ") + "\n"
    code += "sys.exit(run('vjax x', work, 'rows are kept'))\n"
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    process = subprocess.Popen(interruptible(sys.executable, "-c", code), **pipes, **options)
    assert process.stdout.readline() == "ready\n"
    return process


def ended(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=30)
    return process.returncode, out, err


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_run_with_a_signal_returns_its_code_and_waits_for_no_thread(interruptible, number):
    work = "threading.Thread(target=time.sleep, args=(60,)).start()\nprint('ready', flush=True)\ntime.sleep(60)"
    process = start(interruptible, work)
    began_s = time.monotonic()
    process.send_signal(number)
    code, name = STOPS[number]
    assert ended(process) == (code, "", f"vjax x: stopped by {name}; rows are kept\n")
    assert time.monotonic() - began_s < 20


def test_run_with_two_sigterms_cleans_up_once(interruptible):
    """`timeout` sends SIGTERM to the process, and then to its group."""
    work = "try:\n    print('ready', flush=True)\n    time.sleep(60)\nfinally:\n    print('cleaning', flush=True)\n"
    process = start(interruptible, work + "    time.sleep(0.5)\n    print('clean')")
    process.send_signal(signal.SIGTERM)
    assert process.stdout.readline() == "cleaning\n"
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGHUP)
    assert ended(process) == (143, "clean\n", "vjax x: stopped by SIGTERM; rows are kept\n")


def test_run_with_a_second_ctrl_c_ends_at_once(interruptible):
    work = "try:\n    print('ready', flush=True)\n    time.sleep(60)\nfinally:\n    print('cleaning', flush=True)\n"
    process = start(interruptible, work + "    time.sleep(60)")
    process.send_signal(signal.SIGINT)
    assert process.stdout.readline() == "cleaning\n"
    process.send_signal(signal.SIGINT)
    assert ended(process) == (-signal.SIGINT, "", "")


def test_run_under_nohup_ignores_sighup(interruptible):
    work = "print('ready', flush=True)\ntime.sleep(0.5)\nprint('done')\nreturn 0"
    process = start(lambda *command: interruptible("/bin/sh", "-c", "trap '' HUP; exec \"$@\"", "sh", *command), work)
    process.send_signal(signal.SIGHUP)
    assert ended(process) == (0, "done\n", "")


def test_run_stopped_inside_a_library_that_logs_each_error_prints_one_line(interruptible):
    """Orbax logs all that is raised while it finishes a checkpoint, with the traceback."""
    work = """
from absl import logging
print('ready', flush=True)
try:
    time.sleep(20)
except BaseException:
    logging.exception('Save Finalize thread failed.')
    raise
"""
    process = start(interruptible, work.strip())
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "", "vjax x: stopped by SIGTERM; rows are kept\n")


def test_run_restores_the_handlers_of_its_caller():
    from vjax.cli.command import run

    before = [signal.getsignal(number) for number in STOPS]
    inside = []
    assert run("vjax x", lambda: inside.extend(signal.getsignal(number) for number in STOPS) or 0) == 0
    assert [signal.getsignal(number) for number in STOPS] == before
    assert inside[1] != before[1]


LATER = """
with stop_later(lambda: 'at once' not in os.environ.get('WHEN', '')) as stopped:
    print('ready', flush=True)
    while not stopped():
        time.sleep(0.01)
    time.sleep(0.3)
    print('finished')
return 128 + stopped()
"""


@pytest.mark.parametrize("number", STOPS, ids=lambda number: number.name)
def test_stop_later_finishes_the_work_and_returns_the_signal(interruptible, number):
    process = start(interruptible, LATER.strip())
    process.send_signal(number)
    if number == signal.SIGTERM:
        process.send_signal(number)  # counts once
    code, out, err = ended(process)
    assert (code, out) == (STOPS[number][0], "finished\n")
    assert "stopping: finishing the current work" in err


def test_stop_later_without_a_result_to_keep_stops_at_once(interruptible):
    process = start(interruptible, LATER.strip(), env=os.environ | {"WHEN": "at once"})
    process.send_signal(signal.SIGTERM)
    assert ended(process) == (143, "", "vjax x: stopped by SIGTERM; rows are kept\n")
