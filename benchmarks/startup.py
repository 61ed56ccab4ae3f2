"""Measures the start of commands: whole processes, with an empty compilation cache and with a filled one.

    python benchmarks/startup.py --json out.json
    python benchmarks/startup.py --against ../another-checkout --rounds 3

The second line times `vjax match` of a sound with the shipped model, of this checkout and of another one, in turn, cold
and warm, with all its candidates and with `--no-resynthesis`. Both run with the packages of this environment.

`vjax --help` (goal: under 0.3 s), then `vjax train` for one epoch of two steps without listening, `vjax match
--keep-tables` of one sound and `vjax evaluate` of one preset, on a small model and data that the script makes first.
`cold` starts with an empty cache, `warm` uses the cache that the cold run wrote (`~/.cache/vjax/jax` in daily use, a
temporary folder here); `imports` is a process that only imports the command's modules. So cold - warm is compiling, and
warm - imports is the work itself. Cold and warm alternate; medians of `--rounds`. `ratio` is cold / warm of
`vjax match`.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[1]
IMPORTS = {
    "help": "vjax.cli.main",
    "train": "vjax.training.loop, vjax.evaluation.listen, vjax.candidates.bank",
    "match": "vjax.matching.match, vjax.matching.banks",
    "evaluate": "vjax.evaluation.benchmark, vjax.matching.batch",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--width", type=int, default=16, help="channels of the model's first stage; 64 is full size")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT", help="compare vjax match with this checkout's")
    parser.add_argument("--sound", type=Path, default=ROOT / "tests" / "data" / "sounds" / "rhodes.wav")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    if arguments.against:
        _compare(arguments)
        return
    with tempfile.TemporaryDirectory() as folder:
        found = _measure(Path(folder), arguments)
    print(f"{'command':10} {'imports':>9} {'cold':>9} {'warm':>9} {'compiling':>10} {'work':>9}")
    for name, row in found.items():
        compiling, work = row["cold_s"] - row["warm_s"], row["warm_s"] - row["imports_s"]
        print(
            f"{name:10} {row['imports_s']:7.2f} s {row['cold_s']:7.2f} s {row['warm_s']:7.2f} s "
            f"{compiling:8.2f} s {work:7.2f} s"
        )
    ratio = found["match"]["cold_s"] / found["match"]["warm_s"]
    print(
        f"ratio {ratio:.2f}: cold / warm of vjax match; vjax --help {found['help']['warm_s']:.2f} s (goal: under 0.3)"
    )
    if arguments.json:
        arguments.json.write_text(json.dumps({"ratio": ratio, "width": arguments.width, "commands": found}, indent=1))


def _measure(folder: Path, arguments) -> dict[str, dict[str, float]]:
    """Medians by command: imports_s, cold_s, warm_s."""
    presets, run = ROOT / "tests" / "data" / "presets", folder / "run"
    recipe = ["--config", "tier3:smoke", f"--config.model.width={arguments.width}", "--config.train.epochs=1"]
    made = _vjax(folder / "cache-made", "train", *recipe, "--workdir", str(run))
    sound = next(run.glob("listen/*-target.wav"))
    print(f"data and a checkpoint: {made:.1f} s", file=sys.stderr)
    commands = {
        "help": ("--help",),
        "train": (
            "train",
            *recipe,
            f"--config.data.path={run / 'data'}",
            "--config.train.listen_sounds=0",
            "--workdir",
            "{fresh}",
        ),
        "match": ("match", str(sound), "--checkpoint", str(run), "--keep-tables", "-o", "{fresh}.vital"),
        "evaluate": (
            "evaluate",
            "--checkpoint",
            str(run),
            "--presets",
            str(presets),
            "--limit",
            "1",
            "--out",
            "{fresh}",
        ),
    }
    timings = {name: {"imports_s": [], "cold_s": [], "warm_s": []} for name in commands}
    for number in range(arguments.rounds):
        for name, command in commands.items():
            cache = folder / f"cache-{number}-{name}"
            timings[name]["imports_s"].append(_process(cache, "-c", f"import {IMPORTS[name]}"))
            for when in ("cold_s", "warm_s"):
                filled = [argument.format(fresh=folder / f"{number}-{name}-{when}") for argument in command]
                timings[name][when].append(_vjax(cache, *filled))
        print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    return {name: {part: float(np.median(values)) for part, values in row.items()} for name, row in timings.items()}


def _compare(arguments) -> None:
    """Prints medians of both checkouts' `vjax match`, and the ratio this / other of each pair of runs."""
    checkouts = {"this": ROOT, "other": arguments.against.absolute()}
    ways = {"all candidates": (), "--no-resynthesis": ("--no-resynthesis",)}
    rows = []
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        for number in range(arguments.rounds):
            for way, flags in ways.items():
                for when in ("cold", "warm"):
                    row = {"way": way, "when": when}
                    for name, checkout in checkouts.items():
                        cache, out = folder / f"{number}-{name}{way}", folder / f"{number}-{name}-{when}{way}.vital"
                        command = ("-m", "vjax", "match", str(arguments.sound.absolute()), *flags, "-o", str(out))
                        row[name] = _process(cache, *command, checkout=checkout)
                    rows.append(row)
            print(f"round {number + 1} of {arguments.rounds}", file=sys.stderr)
    print(f"{'vjax match':18} {'':5} {'this':>9} {'other':>9} {'ratio':>7}")
    for way in ways:
        for when in ("cold", "warm"):
            pairs = [(row["this"], row["other"]) for row in rows if (row["way"], row["when"]) == (way, when)]
            this, other = np.median(pairs, 0)
            print(f"{way:18} {when:5} {this:7.2f} s {other:7.2f} s {np.median([a / b for a, b in pairs]):7.2f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=1))


def _vjax(cache: Path, *command: str) -> float:
    return _process(cache, "-m", "vjax", *command)


def _process(cache: Path, *command: str, checkout: Path = ROOT) -> float:
    """Seconds that a Python process takes with this folder as its compilation cache."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command],
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache), "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} exited with {done.returncode}:\n{done.stderr}")
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
