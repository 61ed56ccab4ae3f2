"""`--scheduler ray` without a cluster: the command starts one of this machine's cores, without output, and stops it."""

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from vjax.cli.main import main
from vjax.cli.scheduler_flag import add_scheduler_flag

PRESETS = Path(__file__).parents[1] / "data" / "presets"


@pytest.mark.slow
def test_evaluate_with_either_scheduler_gives_the_same_rows(engine_run, tmp_path):
    """Two targets, with all methods but a search. Only the seconds may differ."""
    for author, name in (("ann", "FM_Bass1"), ("bob", "Rhodesy")):
        (tmp_path / "presets" / author).mkdir(parents=True)
        shutil.copy(PRESETS / f"{name}.vital", tmp_path / "presets" / author)
    arguments = ["evaluate", "--presets", str(tmp_path / "presets"), "--checkpoint", str(engine_run), "--workers", "2"]
    arguments += ["--no-patch", "--no-resynthesis", "--no-elsewhere"]
    assert main([*arguments, "--out", str(tmp_path / "local")]) == 0
    command = [sys.executable, "-m", "vjax", *arguments, "--scheduler", "ray", "--out", str(tmp_path / "ray"), "--json"]
    environment = {**os.environ, "RAY_ADDRESS": "local"}
    with_ray = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert with_ray.returncode == 0, with_ray.stderr
    assert "raylet" not in with_ray.stderr + with_ray.stdout
    contents = [json.loads((tmp_path / "local" / "evaluation.json").read_text()), json.loads(with_ray.stdout)]
    for rows in (content["rows"] for content in contents):
        assert {row["method"] for row in rows} >= {"nearest", "prediction", "floor"}
        for row in rows:
            del row["seconds"]
    assert contents[0]["rows"] == contents[1]["rows"]


@pytest.mark.parametrize("command", ["generate", "refine", "evaluate"])
def test_help_of_commands_with_a_scheduler_explains_it(command, capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main([command, "--help"])
    assert "a Ray cluster: the one at RAY_ADDRESS" in capsys.readouterr().out


def test_add_scheduler_flag_with_the_old_name_prints_a_notice(capsys):
    parser = argparse.ArgumentParser(prog="vjax x")
    add_scheduler_flag(parser)
    assert parser.parse_args(["--engine", "ray"]).scheduler == "ray"
    assert capsys.readouterr().err == "vjax x: --engine is now --scheduler\n"
    assert parser.parse_args(["--scheduler", "ray"]).scheduler == "ray"
    assert parser.parse_args([]).scheduler == "local"
    assert capsys.readouterr().err == ""
    assert "--engine" not in parser.format_help()
