"""How commands end."""

import argparse
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from vjax.audio.distances import dtw_distance
from vjax.audio.files import AudioError
from vjax.audio.pitch import parse_note
from vjax.cli.command import INTERNAL_ERROR, CommandError, UsageError, at_least, command_parser, run
from vjax.engine.isolate import IsolatedCallError


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
        (AudioError("kick.wav is silent"), 1),
        (IsolatedCallError("its process could not be started"), 1),
        (UsageError("--config: no such recipe"), 2),
    ],
)
def test_an_expected_error_is_one_line(error, code, capsys):
    assert run("vjax x", failing(error)) == code
    assert capsys.readouterr().err == f"vjax x: {error}\n"


def test_a_file_that_is_not_there_is_named(tmp_path, capsys):
    assert run("vjax x", lambda: len((tmp_path / "nothing.wav").read_bytes())) == 1
    assert str(tmp_path / "nothing.wav") in capsys.readouterr().err


def test_run_of_a_value_that_vjax_refuses_is_one_line_and_code_1(capsys):
    assert run("vjax x", lambda: parse_note("H2")) == 1
    assert capsys.readouterr().err.startswith("vjax x: 'H2' is not a MIDI note; give")


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: np.zeros(3).reshape(2, 2), "ValueError: cannot reshape array of size 3"),
        (lambda: dtw_distance(np.zeros(3)), "ValueError: not enough values to unpack"),  # no `raise`: vjax's own defect
        (lambda: int("x"), "ValueError: invalid literal"),
        (failing(ValueError("two\nlines")), "ValueError: two lines. "),  # raised, but not by vjax
        (failing(KeyError("osc_1")), "KeyError: 'osc_1'"),
        (lambda: 1 // 0, "ZeroDivisionError: "),
        (failing(RuntimeError()), "RuntimeError: no message"),
    ],
)
def test_run_of_a_defect_says_so_in_one_line_and_ends_with_70(work, message, capsys):
    assert run("vjax x", work) == INTERNAL_ERROR == 70
    told = capsys.readouterr().err
    assert told.startswith(f"vjax x: internal error of vjax, which is not your mistake: {message}")
    assert told.endswith("To see where, add --traceback\n")
    assert told.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("a defect"), AudioError("kick.wav is silent")])
@pytest.mark.parametrize("how", ["flag", "variable"])
def test_run_with_a_traceback_shows_it_before_the_line(error, how, capsys, monkeypatch):
    code = run("vjax x", failing(error))
    line = capsys.readouterr().err
    flags = ["--traceback"] if how == "flag" else []
    if how == "variable":
        monkeypatch.setenv("VJAX_DEBUG", "1")
    command_parser("x", "", "").parse_args(flags)
    assert run("vjax x", failing(error)) == code
    told = capsys.readouterr().err
    assert told.startswith("Traceback (most recent call last):")
    assert told.endswith(line)
    monkeypatch.setenv("VJAX_DEBUG", "0")
    command_parser("x", "", "").parse_args([])  # the flag was of that command only
    assert run("vjax x", failing(error)) == code
    assert capsys.readouterr().err == line


def test_what_was_compiled_is_kept_where_the_user_wants_it(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_MAX_SIZE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run("vjax x", lambda: 0) == 0
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "vjax" / "compiled")
    assert os.environ["JAX_COMPILATION_CACHE_MAX_SIZE"] == "1000000000"
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "mine")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_MAX_SIZE")
    assert run("vjax x", lambda: 0) == 0
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == "mine"
    assert "JAX_COMPILATION_CACHE_MAX_SIZE" not in os.environ


COMPILES_FIVE = """
import sys
from vjax.cli.command import run

def work():
    import jax
    for n in range(5):
        jax.jit(lambda x: jax.numpy.sin(x) ** n)(1.0)
    return 0

sys.exit(run("vjax x", work))
"""


def test_what_was_compiled_is_kept_up_to_a_size(tmp_path):
    """By the installed jax, which needs filelock for it."""

    def kept(most: str) -> list[int]:
        environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
        environment |= {"XDG_CACHE_HOME": str(tmp_path / most), "JAX_COMPILATION_CACHE_MAX_SIZE": most}
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        done = subprocess.run([sys.executable, "-c", COMPILES_FIVE], env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return [path.stat().st_size for path in (tmp_path / most / "vjax" / "compiled").glob("*-cache")]

    everything = kept("1000000000")
    bound = sum(everything) // 2
    some = kept(str(bound))
    assert len(everything) >= 5
    assert 0 < len(some) < len(everything)
    assert sum(some) <= bound


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1), ("20000", 20000), ("0", "expected 1 or more"), ("1.5", "expected an integer")]
)
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


def interrupted(interruptible, code: str, ready: str, after_s: float) -> tuple[int, str]:
    """(exit code, stderr) of a process that gets SIGINT `after_s` after it has printed the line `ready`."""
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false", "XLA_FLAGS": ""}  # compiling takes its time
    process = subprocess.Popen(
        interruptible(sys.executable, "-c", code),
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
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


def test_ctrl_c_while_xla_compiles_is_no_crash(interruptible):
    """XLA's thread compiles on, and would meet a client that is gone: the process died by SIGSEGV."""
    assert interrupted(interruptible, COMPILING, "compiling", 0.5) == (130, "vjax x: stopped by Ctrl-C\n")


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


def test_ctrl_c_in_a_garbage_collectors_callback_is_not_lost(interruptible):
    """jax has such a callback; Python ignores what is raised in one."""
    assert interrupted(interruptible, COLLECTING, "collecting", 0.1) == (130, "vjax x: stopped by Ctrl-C\n")
