"""How commands end."""

import argparse
import os
import signal
import subprocess
import sys
import time

import pytest

from vjax.cli.command import CommandError, UsageError, at_least, command_parser, run


def failing(error: Exception):
    def work() -> int:
        raise error

    return work


def test_the_works_own_exit_code_is_kept():
    assert [run("vjax x", lambda code=code: code) for code in (0, 1)] == [0, 1]


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (CommandError("the loss is nan"), 1),
        (ValueError("n=0; ask for at least one row"), 1),
        (UsageError("--config: no such recipe"), 2),
    ],
)
def test_an_expected_error_is_one_line(error, code, capsys):
    assert run("vjax x", failing(error)) == code
    assert capsys.readouterr().err == f"vjax x: {error}\n"


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    assert run("vjax x", lambda: len((tmp_path / "nothing.wav").read_bytes())) == 1
    assert str(tmp_path / "nothing.wav") in capsys.readouterr().err


def test_a_defect_keeps_its_traceback():
    with pytest.raises(ZeroDivisionError):
        run("vjax x", lambda: 1 // 0)


def test_what_was_compiled_is_kept_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run("vjax x", lambda: 0) == 0
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "vjax" / "jax")
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    assert run("vjax x", lambda: 0) == 0
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine"


@pytest.mark.parametrize(("text", "expected"), [("1", 1), ("20000", 20000), ("0", "too small"), ("1.5", "whole")])
def test_whole_numbers_from_one_on(text, expected):
    if isinstance(expected, int):
        assert at_least(1)(text) == expected
    else:
        with pytest.raises(argparse.ArgumentTypeError, match=expected):
            at_least(1)(text)


def test_options_are_not_abbreviated(capsys):
    """An abbreviation would change its meaning with the next option."""
    parser = command_parser("x", "", "")
    parser.add_argument("--workers", type=int)
    with pytest.raises(SystemExit, match=r"^2$"):
        parser.parse_args(["--work", "3"])
    assert "unrecognized arguments: --work" in capsys.readouterr().err


def interrupted(code: str, ready: str, after_s: float) -> tuple[int, str]:
    """(exit code, stderr) of a process that gets SIGINT `after_s` after it has printed the line `ready`."""
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false", "XLA_FLAGS": ""}  # compiling takes its time
    process = subprocess.Popen(
        [sys.executable, "-c", code], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == f"{ready}\n"
    time.sleep(after_s)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    return process.returncode, err


COMPILING = """
import sys
import jax, jax.numpy as jnp
from vjax.cli.command import run

def work():
    def f(x):
        for i in range(300):
            x = jnp.sin(x @ x) + i
        return x
    lowered = jax.jit(f).lower(jnp.ones((64, 64)))
    print("compiling", flush=True)
    lowered.compile()
    return 0

sys.exit(run("vjax x", work))
"""


def test_ctrl_c_while_xla_compiles_is_no_crash():
    """XLA's thread compiles on, and would meet a client that is gone: the process died by SIGSEGV."""
    assert interrupted(COMPILING, "compiling", 0.5) == (130, "vjax x: stopped by Ctrl-C\n")


COLLECTING = """
import gc, sys, time
from vjax.cli.command import run

def callback(*_):
    gc.callbacks.clear()
    print("collecting", flush=True)
    time.sleep(5)

def work():
    gc.callbacks.append(callback)
    gc.collect()
    time.sleep(5)
    return 0

sys.exit(run("vjax x", work))
"""


def test_ctrl_c_in_a_garbage_collectors_callback_is_not_lost():
    """jax has such a callback; Python ignores what is raised in one."""
    assert interrupted(COLLECTING, "collecting", 0.1) == (130, "vjax x: stopped by Ctrl-C\n")
