"""Runs the scripts of examples/ as a reader would, with the commands of their docstrings, and the notebook."""

import runpy
import shlex
import shutil
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
SCRIPTS = sorted((REPOSITORY / "examples").glob("*.py"))
PRINTED = {
    "compare_sounds": "dB\n",
    "make_dataset": "'mel': (3, 1, 128, 173)",
    "match_sound": "written: matched.vital",
    "train_tiny": "'loss': ",
}


def test_each_example_is_tested():
    assert [script.stem for script in SCRIPTS] == sorted(PRINTED)


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_example_runs_as_its_docstring_states(script, tmp_path, monkeypatch, capsys):
    lines = script.read_text().splitlines()
    command = next(shlex.split(line) for line in lines if line.startswith("python examples/"))
    assert command[1] == f"examples/{script.name}"
    assert len(lines) <= 25
    shutil.copytree(REPOSITORY / "tests" / "data" / "sounds", tmp_path / "tests" / "data" / "sounds")
    shutil.copytree(REPOSITORY / "tests" / "data" / "presets", tmp_path / "tests" / "data" / "presets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", command[1:])
    runpy.run_path(str(script), run_name="__main__")
    assert PRINTED[script.stem] in capsys.readouterr().out
