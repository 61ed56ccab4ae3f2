"""The command line and the exit codes of commands."""

import argparse
import os
import resource
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from vjax.audio.dtw import dtw_distance
from vjax.audio.files import AudioError
from vjax.audio.pitch import parse_note
from vjax.cli.command import INTERNAL_ERROR, CommandError, UsageError, at_least, command_parser, run
from vjax.engine.isolate import IsolatedCallError


def failing(error: Exception):
    def work() -> int:
        raise error

    return work


def test_run_returns_the_exit_code_of_the_work():
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
def test_run_of_an_expected_error_prints_one_line(error, code, capsys):
    assert run("vjax x", failing(error)) == code
    assert capsys.readouterr().err == f"vjax x: {error}\n"


def test_run_with_a_missing_file_names_it(tmp_path, capsys):
    assert run("vjax x", lambda: len((tmp_path / "nothing.wav").read_bytes())) == 1
    assert str(tmp_path / "nothing.wav") in capsys.readouterr().err


def test_run_with_a_value_that_vjax_rejects_prints_one_line_and_returns_1(capsys):
    assert run("vjax x", lambda: parse_note("H2")) == 1
    assert capsys.readouterr().err.startswith("vjax x: 'H2' is not a MIDI note; give")


def test_run_with_little_address_space_prints_its_limit(monkeypatch, capsys):
    """XLA ends the process when it cannot start a thread, and prints only its own messages."""
    limits = {resource.RLIMIT_AS: 10**9}
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits.get(kind, 10**6), resource.RLIM_INFINITY))
    assert run("vjax x", lambda: 0) == 0
    expected = "vjax x: the address space is limited to 1.0 GB (ulimit -v); vjax may need 4 GB\n"
    assert capsys.readouterr().err == expected


def test_run_with_few_open_files_prints_their_limit(monkeypatch, capsys):
    """A training then ends at its first checkpoint, with messages of other libraries."""
    limits = {resource.RLIMIT_NOFILE: 20}
    unlimited = resource.RLIM_INFINITY
    monkeypatch.setattr(resource, "getrlimit", lambda kind: (limits.get(kind, unlimited), unlimited))
    assert run("vjax x", lambda: 0) == 0
    assert capsys.readouterr().err == "vjax x: only 20 files can be open at once (ulimit -n); vjax may need 64\n"


@pytest.mark.parametrize(
    ("work", "message"),
    [
        (lambda: np.zeros(3).reshape(2, 2), "ValueError: cannot reshape array of size 3"),
        (lambda: dtw_distance(np.zeros(3)), "ValueError: not enough values to unpack"),  # no `raise`: a defect of vjax
        (lambda: int("x"), "ValueError: invalid literal"),
        (failing(ValueError("two\nlines")), "ValueError: two lines. "),  # raised, but not by vjax
        (failing(KeyError("osc_1")), "KeyError: 'osc_1'"),
        (lambda: 1 // 0, "ZeroDivisionError: "),
        (failing(RuntimeError()), "RuntimeError: no message"),
    ],
)
def test_run_of_a_defect_prints_one_line_and_returns_70(work, message, capsys):
    assert run("vjax x", work) == INTERNAL_ERROR == 70
    printed = capsys.readouterr().err
    assert printed.startswith(f"vjax x: internal error of vjax, which is not your mistake: {message}")
    assert printed.endswith("To see where, add --traceback\n")
    assert printed.count("\n") == 1


@pytest.mark.parametrize("error", [ValueError("a defect"), AudioError("kick.wav is silent")])
@pytest.mark.parametrize("how", ["flag", "variable"])
def test_run_with_a_traceback_prints_it_before_the_message(error, how, capsys, monkeypatch):
    code = run("vjax x", failing(error))
    line = capsys.readouterr().err
    flags = ["--traceback"] if how == "flag" else []
    if how == "variable":
        monkeypatch.setenv("VJAX_DEBUG", "1")
    command_parser("x", "", "").parse_args(flags)
    assert run("vjax x", failing(error)) == code
    printed = capsys.readouterr().err
    assert printed.startswith("Traceback (most recent call last):")
    assert printed.endswith(line)
    monkeypatch.setenv("VJAX_DEBUG", "0")
    command_parser("x", "", "").parse_args([])  # the flag applied to that command only
    assert run("vjax x", failing(error)) == code
    assert capsys.readouterr().err == line


def test_run_keeps_compiled_functions_in_the_users_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_MAX_SIZE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert run("vjax x", lambda: 0) == 0
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == str(tmp_path / "vjax" / "compiled")
    assert os.environ["JAX_COMPILATION_CACHE_MAX_SIZE"] == "1000000000"
    own = str(tmp_path / "own")  # not a relative path: jax would make it in the working directory
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", own)
    monkeypatch.delenv("JAX_COMPILATION_CACHE_MAX_SIZE")
    assert run("vjax x", lambda: 0) == 0
    assert os.environ["JAX_COMPILATION_CACHE_DIR"] == own
    assert "JAX_COMPILATION_CACHE_MAX_SIZE" not in os.environ


def test_run_without_a_cache_folder_works_without_a_cache(monkeypatch):
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR")
    monkeypatch.delenv("JAX_COMPILATION_CACHE_MAX_SIZE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", "/dev/null")  # not a folder
    assert run("vjax x", lambda: 0) == 0
    assert "JAX_COMPILATION_CACHE_DIR" not in os.environ


IMPORTS_MATPLOTLIB = """
import sys
from vjax.cli.command import run

def work():
    import matplotlib
    matplotlib.get_cachedir()
    return 0

sys.exit(run("vjax x", work))
"""


def test_run_without_a_place_for_the_fonts_of_matplotlib_prints_nothing():
    environment = os.environ | {"HOME": "/dev/null", "XDG_CACHE_HOME": "/dev/null", "XDG_CONFIG_HOME": "/dev/null"}
    environment.pop("MPLCONFIGDIR", None)
    done = subprocess.run([sys.executable, "-c", IMPORTS_MATPLOTLIB], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


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


@pytest.mark.slow
def test_run_keeps_compiled_functions_up_to_the_size_limit(tmp_path):
    """The installed jax limits the size. It needs filelock for this."""

    def stored_sizes(limit: str) -> list[int]:
        environment = {name: value for name, value in os.environ.items() if name != "JAX_COMPILATION_CACHE_DIR"}
        environment |= {"XDG_CACHE_HOME": str(tmp_path / limit), "JAX_COMPILATION_CACHE_MAX_SIZE": limit}
        environment["JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS"] = "0"
        done = subprocess.run([sys.executable, "-c", COMPILES_FIVE], env=environment, capture_output=True, text=True)
        assert (done.returncode, done.stderr) == (0, "")
        return [path.stat().st_size for path in (tmp_path / limit / "vjax" / "compiled").glob("*-cache")]

    everything = stored_sizes("1000000000")
    limit_bytes = sum(everything) // 2
    some = stored_sizes(str(limit_bytes))
    assert len(everything) >= 5
    assert 0 < len(some) < len(everything)
    assert sum(some) <= limit_bytes


def test_run_with_a_cache_that_cannot_be_written_compiles_without_a_word():
    environment = os.environ | {
        "JAX_COMPILATION_CACHE_DIR": "/dev/null/x",
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    done = subprocess.run([sys.executable, "-c", COMPILES_FIVE], env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("text", "expected"), [("1", 1), ("20000", 20000), ("0", "expected 1 or more"), ("1.5", "expected an integer")]
)
def test_at_least_one_accepts_only_positive_integers(text, expected):
    if isinstance(expected, int):
        assert at_least(1)(text) == expected
    else:
        with pytest.raises(argparse.ArgumentTypeError, match=expected):
            at_least(1)(text)


def test_command_parser_rejects_abbreviated_flags(capsys):
    """An abbreviation would change its meaning with the next option."""
    parser = command_parser("x", "", "")
    parser.add_argument("--workers", type=int)
    with pytest.raises(SystemExit, match=r"^2$"):
        parser.parse_args(["--work", "3"])
    assert "unrecognized arguments: --work" in capsys.readouterr().err


def run_interrupted(interruptible, code: str, ready: str, after_s: float) -> tuple[int, str]:
    """(exit code, stderr) of a process that gets SIGINT `after_s` after it has printed the line `ready`."""
    environment = os.environ | {"JAX_ENABLE_COMPILATION_CACHE": "false", "XLA_FLAGS": ""}  # so that XLA compiles slowly
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


def test_run_with_ctrl_c_while_xla_compiles_returns_130(interruptible):
    """XLA's thread continues to compile. If its client were destroyed, the process would end with SIGSEGV."""
    assert run_interrupted(interruptible, COMPILING, "compiling", 0.5) == (130, "vjax x: stopped by Ctrl-C\n")


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


def test_run_with_ctrl_c_in_a_garbage_collection_callback_returns_130(interruptible):
    """jax has such a callback. Python ignores exceptions that are raised in one."""
    assert run_interrupted(interruptible, COLLECTING, "collecting", 0.1) == (130, "vjax x: stopped by Ctrl-C\n")
