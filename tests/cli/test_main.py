"""The command `vjax`: it imports nothing heavy before a command starts to work. scripts/ call the same commands."""

import importlib.metadata
import signal
import subprocess
import sys
import time
from pathlib import Path

import h5py
import pytest

from vjax import __version__
from vjax.cli.main import COMMANDS, main
from vjax.io.folder_lock import locked

ROOT = Path(__file__).parents[2]
VJAX = [sys.executable, "-m", "vjax"]
HEAVY = ("absl", "flax", "grain", "h5py", "jax", "matplotlib", "ml_collections", "numpy", "scipy", "tqdm", "vita")


def outcome(*command: object, cwd: Path = ROOT) -> tuple[int, str, str]:
    """(exit code, stdout, stderr) of a process."""
    result = subprocess.run([*map(str, command)], cwd=cwd, capture_output=True, text=True)
    return result.returncode, result.stdout, result.stderr


@pytest.mark.parametrize("name", [command.name for command in COMMANDS])
def test_main_help_of_a_command_prints_examples_and_imports_nothing_heavy(name):
    code = f"""
import sys
from vjax.cli.main import main
try:
    main([{name!r}, "--help"])
finally:
    print("heavy:", sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    returncode, out, err = outcome(sys.executable, "-c", code)
    assert returncode == 0, err
    assert out.startswith(f"usage: vjax {name} ")
    assert f"\n  vjax {name} " in out.partition("examples:")[2]
    # That of train lists every setting of a recipe, which imports the whole configuration.
    assert out.endswith("heavy: []\n") or name == "train"


def test_main_help_lists_all_commands_and_imports_nothing_heavy():
    code = "import sys; from vjax.cli.main import main\ntry: main(['-h'])\nfinally: print(*sys.modules, sep=chr(10))"
    returncode, out, _ = outcome(sys.executable, "-c", code)
    assert returncode == 0
    assert "exit codes: " in out
    assert all(f"\n  {command.name} " in out and command.help in out for command in COMMANDS)
    assert "vjax.cli.main" in out.splitlines()
    assert not set(HEAVY) & set(out.splitlines())


@pytest.mark.parametrize(
    "command",
    [
        "generate --n 4 --out FOLDER",
        "train --workdir FOLDER",
        "evaluate --audio none --out FOLDER",
        "match a.wav b.wav --out FOLDER",
        "refine --audio none --out FOLDER",
        "export --audio none --out FOLDER",
        "precompute modulation FOLDER",
        "importance FOLDER",
        "bank none --checkpoint FOLDER",
    ],
)
def test_main_with_a_folder_that_another_command_writes_ends_with_one_line(command, tiny_dataset, capsys):
    before = sorted(tiny_dataset.iterdir())
    with locked(tiny_dataset):
        assert main(command.replace("FOLDER", str(tiny_dataset)).split()) == 1
    printed = capsys.readouterr()
    assert f"vjax {command.split()[0]}: {tiny_dataset} is in use: process " in printed.err
    assert (printed.err.count("\n"), printed.out) == (1, "")
    assert sorted(tiny_dataset.iterdir()) == before


def test_main_version_prints_the_version(capsys):
    with pytest.raises(SystemExit, match=r"^0$"):
        main(["--version"])
    assert capsys.readouterr().out == f"vjax {__version__}\n"


def test_main_with_an_unknown_command_suggests_a_similar_name(capsys):
    assert main(["trian", "--config", "tier3"]) == 2
    assert capsys.readouterr().err == "vjax: there is no command 'trian'; did you mean train?\n"
    assert main(["xyzzy"]) == 2
    printed = capsys.readouterr().err
    assert all(command.name in printed for command in COMMANDS)


def test_main_without_a_command_prints_help_and_returns_2(capsys):
    assert main([]) == 2
    assert "examples:" in capsys.readouterr().err


def test_main_is_the_installed_command():
    (command,) = importlib.metadata.entry_points(group="console_scripts", name="vjax")
    assert command.load() is main


@pytest.mark.parametrize("script", sorted((ROOT / "scripts").glob("*.py")), ids=lambda path: path.name)
def test_scripts_are_all_commands(script, tmp_path):
    assert f"vjax.cli.{script.stem}" in {command.module for command in COMMANDS}
    returncode, out, _ = outcome(sys.executable, script, "--help", cwd=tmp_path)
    assert returncode == 0
    assert out.startswith(f"usage: {script.name} ")


def test_inspect_script_and_command_print_the_same(tiny_dataset, capsys):
    script = [sys.executable, ROOT / "scripts" / "inspect_dataset.py"]
    code, out, err = outcome(*script, tiny_dataset)
    assert "39 rows of 13 presets" in out
    assert (code, out, err) == outcome(*VJAX, "inspect", tiny_dataset)
    with h5py.File(tiny_dataset / "shard-00000.h5", "r+") as file:
        del file["params/categorical"]
    code, out, err = outcome(*script, tiny_dataset)
    command_code = main(["inspect", str(tiny_dataset)])
    command_out, command_err = capsys.readouterr()
    assert code == command_code == 1
    assert out == command_out == ""
    assert err.removeprefix("inspect_dataset.py: ") == command_err.removeprefix("vjax inspect: ")
    assert len(err.splitlines()) == 1


@pytest.mark.slow
def test_generate_with_ctrl_c_prints_one_line_and_returns_130(tmp_path, interruptible):
    """SIGINT while the real engine renders. Finished shards stay."""
    settings = ["render.seconds=0.1", "render.note_s=0.1", "presets_per_shard=1", "silence_db=-200"]
    overrides = [f"--config.generation.{setting}" for setting in settings]
    command = [*VJAX, "generate", "--config", "tier3:smoke", "--n", "1000", "--workers", "1", "--out", "data"]
    process = subprocess.Popen(interruptible(*command, *overrides), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "data" / "shard-00000.h5").exists():
        assert process.poll() is None, process.stderr.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    line = "vjax generate: stopped by Ctrl-C; data keeps the finished shards; the same command continues"
    assert err.splitlines()[-1] == line
    assert "Traceback" not in err
