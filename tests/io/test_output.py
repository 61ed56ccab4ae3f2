"""Printing cannot end the work of a command. The streams are those of real processes."""

import os
import subprocess
import sys

import pytest

PRINTS = """
import sys
from vjax.cli.command import command_parser, run

def work():
    for _ in range(3000):
        print("\\N{SNOWMAN} caf\\xe9 \\udce9 " + "x" * 40)
    print("warning: \\udce9", file=sys.stderr)
    open("done", "w").close()
    return 3

parser = command_parser("x", "", "")
sys.exit(run("vjax x", work))
"""


def started(folder, **options) -> subprocess.Popen:
    return subprocess.Popen([sys.executable, "-c", PRINTS], cwd=folder, **options)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1", "utf-8"])
def test_protect_output_with_characters_that_the_encoding_lacks_prints_escapes(encoding, tmp_path):
    environment = os.environ | {"PYTHONIOENCODING": encoding}
    process = started(tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    out, err = process.communicate()
    expected = "\N{SNOWMAN} caf\xe9 \udce9 ".encode(encoding, "backslashreplace")
    assert out.splitlines()[-1] == expected + b"x" * 40
    assert err == b"warning: \\udce9\n"
    assert process.returncode == 3


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_protect_output_with_a_reader_that_ends_early_continues_the_work(unbuffered, tmp_path):
    environment = os.environ | {"PYTHONUNBUFFERED": unbuffered}
    with started(tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        assert process.stderr.read() == b"warning: \\udce9\n"
    assert process.returncode == 3
    assert (tmp_path / "done").exists()


def test_protect_output_on_a_full_disk_finishes_the_work_and_returns_1(tmp_path):
    with open("/dev/full", "wb") as full, started(tmp_path, stdout=full, stderr=subprocess.PIPE) as process:
        *_, last = process.stderr.read().decode().splitlines()
    assert last.startswith("vjax x: the output could not be printed in full: No space left on device")
    assert process.returncode == 1
    assert (tmp_path / "done").exists()


def test_protect_output_with_closed_streams_drops_what_is_printed(tmp_path):
    closed = "import os, sys; os.close(1); os.close(2); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    done = subprocess.run([sys.executable, "-c", closed, "-c", PRINTS], cwd=tmp_path)
    assert done.returncode == 3
    assert (tmp_path / "done").exists()
