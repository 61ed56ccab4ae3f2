"""Kills commands at random moments, runs them again, and compares the results with those of undisturbed runs.

    python benchmarks/kill.py --out runs/kill --kills 100

A chain is one command in a new folder: it is started, killed at a random moment, started again, and so on. After
`--per-chain` kills it may finish. What is killed: the program, its process group, the fork server, or a process that
renders; by SIGKILL or SIGTERM. After each kill the script counts the processes and temporary files that are left two
seconds later, and tracebacks. At the end it compares the files, see `COMMANDS`. The moments come from `--seed`.

The same command continues: `OUT/chains.jsonl` has a line for each finished chain. The script prints a table.
"""

import argparse
import collections
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).parents[1]
SOUNDS, PRESETS = ROOT / "tests" / "data" / "sounds", ROOT / "tests" / "data" / "presets"
KILLS = (
    ("program", signal.SIGKILL),
    ("program", signal.SIGTERM),
    ("group", signal.SIGKILL),
    ("group", signal.SIGTERM),
    ("worker", signal.SIGKILL),
    ("fork server", signal.SIGKILL),
)
FEW = ("--variants", "0", "--no-patch", "--no-resynthesis")
TINY = (
    "generation.render.seconds=0.2",
    "generation.render.note_s=0.15",
    "generation.presets_per_shard=8",
    "generation.silence_db=-200",
)
TRAIN = (
    "train.epochs=3",
    "train.batch_size=8",
    "train.checkpoint_every=2",
    "train.listen_every=0",
    "train.listen_sounds=0",
    "model.width=8",
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--per-chain", type=int, default=8)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no chain after N minutes")
    parser.add_argument("--only", choices=COMMANDS, nargs="+", default=tuple(COMMANDS))
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    out.mkdir(parents=True, exist_ok=True)
    began, record = time.monotonic(), out / "chains.jsonl"
    chains = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    done, number = sum(len(chain["kills"]) for chain in chains), len(chains)
    _inputs(out)
    while done < arguments.kills and time.monotonic() - began < 60 * arguments.minutes:
        name = arguments.only[number % len(arguments.only)]
        chain = run_chain(name, out, random.Random(f"{arguments.seed} {number}"), arguments.per_chain)
        with record.open("a") as file:
            file.write(json.dumps(chain) + "\n")
        chains.append(chain)
        done, number = done + len(chain["kills"]), number + 1
        print(f"{done:4d} {name}: {_line(chain)}", file=sys.stderr, flush=True)
    print(table(chains))


@dataclasses.dataclass(frozen=True)
class Command:
    """A command to kill.

    Attributes:
      argv: of `vjax`; `{out}` is its folder, `{in}` that of the inputs.
      prepare: makes what the command changes, in its folder.
      differences: compares the folder with that of the undisturbed run; yields what differs.
    """

    argv: tuple[str, ...]
    differences: Callable[[Path, Path], Iterator[str]]
    prepare: Callable[[Path, Path], None] = lambda folder, inputs: None


def files(folder: Path) -> list[str]:
    """All files, without those whose names contain the time, and without the duration of the undisturbed run."""
    found = (str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    return sorted(name for name in found if "tfevents" not in name and name != "seconds")


def same_names(found: Path, expected: Path) -> Iterator[str]:
    here, there = set(files(found)), set(files(expected))
    yield from (f"left: {name}" for name in sorted(here - there))
    yield from (f"missing: {name}" for name in sorted(there - here))


def same_bytes(found: Path, expected: Path, ends: tuple[str, ...] = ("",)) -> Iterator[str]:
    """The same names, and the same bytes in files with these endings."""
    yield from same_names(found, expected)
    for name in (name for name in files(expected) if name.endswith(ends)):
        if (found / name).exists() and (found / name).read_bytes() != (expected / name).read_bytes():
            yield f"other bytes: {name}"


def same_presets(found: Path, expected: Path) -> Iterator[str]:
    yield from same_bytes(found, expected, (".vital",))
    for name in (name for name in files(expected) if name.endswith(".wav")):  # a WAV file contains the time
        sounds = [soundfile.read(one / name)[0] for one in (found, expected) if (one / name).exists()]
        if len(sounds) == 2 and not np.array_equal(*sounds):
            yield f"other samples: {name}"
    names = [{row["name"] for row in json.loads((one / "index.json").read_text())} for one in (found, expected)]
    if names[0] != names[1]:
        yield f"other rows in index.json: {names[0] ^ names[1]}"


def all_searched(found: Path, expected: Path) -> Iterator[str]:
    """A continued search is another search: it must have used all of its renders and be about as near.

    Each start renders the candidates again. A search that has no renders left then has no course to draw.
    """
    yield from (line for line in same_names(found, expected) if not line.endswith(("trace.png", "traces.png")))
    for name in (name for name in files(expected) if name.endswith("-trace.json")):
        ours, theirs = (json.loads((one / name).read_text())["search"] for one in (found, expected))
        if ours["evals"] < theirs["evals"]:
            yield f"{name}: {ours['evals']} renders, expected {theirs['evals']}"
        if ours["trace"][-1][1] > 1.3 * theirs["trace"][-1][1]:
            yield f"{name}: loss {ours['trace'][-1][1]:.3f}, undisturbed {theirs['trace'][-1][1]:.3f}"


def same_rows(found: Path, expected: Path) -> Iterator[str]:
    """The same rows of an evaluation, except for the seconds they took."""
    yield from same_names(found, expected)
    ours, theirs = (
        {(row["target"], row["method"]): {**row, "seconds": None} for row in _json_lines(one / "results.jsonl")}
        for one in (found, expected)
    )
    yield from (f"row {key}" for key in sorted(ours.keys() | theirs.keys()) if ours.get(key) != theirs.get(key))


def same_checkpoint(found: Path, expected: Path) -> Iterator[str]:
    """The same weights and the same last losses, bit for bit."""
    import jax

    from vjax.training.checkpoint import load_checkpoint

    for which in ("latest", "best"):
        ours, theirs = (load_checkpoint(one, which) for one in (found, expected))
        pairs = zip(jax.tree.leaves(ours.variables), jax.tree.leaves(theirs.variables), strict=True)
        if ours.step != theirs.step or any(not np.array_equal(a, b) for a, b in pairs):
            yield f"other weights in the {which} checkpoint"
    summaries = [one / "summary.json" for one in (found, expected)]
    if summaries[0].exists() and len({str(json.loads(path.read_text())["val"]) for path in summaries}) > 1:
        yield "other validation"
    left = [name for name in files(found) if ".partial" in name or "orbax-checkpoint-tmp" in name]
    yield from (f"left: {name}" for name in left)


def same_arrays(found: Path, expected: Path) -> Iterator[str]:
    """The same datasets and attributes in the HDF5 file."""
    import h5py

    def content(path: Path) -> dict:
        read = {}
        with h5py.File(path) as file:
            file.visititems(lambda name, one: read.update({name: one[()]} if isinstance(one, h5py.Dataset) else {}))
            file.visititems(lambda name, one: read.update({f"{name}.{key}": one.attrs[key] for key in one.attrs}))
        return read

    ours, theirs = content(found / "data.h5"), content(expected / "data.h5")
    for name in sorted(ours.keys() | theirs.keys()):
        if name not in ours or name not in theirs or not np.array_equal(ours[name], theirs[name]):
            yield f"differs: {name}"


def _dense_dataset(folder: Path, inputs: Path) -> None:
    """A file of an earlier program: routes as gzip-compressed matrices."""
    shutil.copyfile(inputs / "dense.h5", folder / "data.h5")


def _flags(settings: tuple[str, ...]) -> list[str]:
    return [f"--config.{setting}" for setting in settings]


COMMANDS = {
    "generate": Command(
        ("generate", "--config", "tier3:smoke", "--n", "48", "--workers", "2", "--out", "{out}/data", *_flags(TINY)),
        same_bytes,
    ),
    "match FOLDER": Command(
        ("match", str(SOUNDS), *FEW, "--workers", "2", "-o", "{out}/presets"), lambda *two: _in("presets", *two)
    ),
    "precompute": Command(
        ("precompute", "modulation", "{out}/data.h5", "--batch-size", "1"), same_arrays, _dense_dataset
    ),
    "train": Command(
        ("train", "--config", "tier3:smoke", "--config.data.path={in}/data", "--workdir", "{out}/run", *_flags(TRAIN)),
        lambda *two: _in("run", *two),
    ),
    "evaluate": Command(
        ("evaluate", "--presets", str(PRESETS), "--limit", "1", "--no-elsewhere", "--out", "{out}/evaluation"),
        lambda *two: _in("evaluation", *two),
    ),
    "refine": Command(
        ("refine", "--audio", str(SOUNDS / "bass.wav"), *FEW, "--evals", "40", "--out", "{out}/refined"),
        lambda *two: _in("refined", *two),
    ),
    "pack": Command(("pack", "shipped", "--out", "{out}/packed"), lambda *two: _in("packed", *two)),
}

_COMPARED = {
    "presets": same_presets,
    "run": same_checkpoint,
    "evaluation": same_rows,
    "refined": all_searched,
    "packed": same_checkpoint,
}


def _in(name: str, found: Path, expected: Path) -> Iterator[str]:
    return _COMPARED[name](found / name, expected / name)


def _inputs(out: Path) -> None:
    """Makes the inputs and the undisturbed results, with their seconds, once."""
    inputs = out / "inputs"
    if not (inputs / "done").exists():
        shutil.rmtree(inputs, ignore_errors=True)
        inputs.mkdir()
        argv = [part.replace("{out}", str(inputs)) for part in COMMANDS["generate"].argv]
        subprocess.run(_vjax(argv), check=True, env=_environment("", inputs))
        subprocess.run([sys.executable, "-c", DENSE, inputs / "dense.h5"], check=True, env=_environment("", inputs))
        (inputs / "done").touch()
    for name in COMMANDS:
        undisturbed = out / "undisturbed" / name
        if not (undisturbed / "seconds").exists():
            shutil.rmtree(undisturbed, ignore_errors=True)
            undisturbed.mkdir(parents=True)
            COMMANDS[name].prepare(undisturbed, inputs)
            began = time.monotonic()
            run = Run(name, undisturbed, inputs)
            if (code := run.process.wait()) != 0:
                raise SystemExit(f"the undisturbed run of {name} failed with exit code {code}: {run.error}")
            (undisturbed / "seconds").write_text(str(time.monotonic() - began))


DENSE = """
import sys, h5py, numpy as np
rng = np.random.default_rng(0)
with h5py.File(sys.argv[1], "w") as file:
    routes = np.zeros((1500, 4, 32, 428), np.float32)
    routes[rng.random(routes.shape) < 1e-4] = 0.5
    file.create_dataset("params/modulation_t3", data=routes, chunks=(1, *routes.shape[1:]), compression="gzip")
"""


class Run:
    """A command that runs in a session of its own."""

    def __init__(self, name: str, folder: Path, inputs: Path):
        self.mark = uuid.uuid4().hex
        self.temporary = folder.with_name(folder.name + ".tmp")
        self.temporary.mkdir(exist_ok=True)
        self._errors = folder.with_name(folder.name + ".err")
        argv = [part.replace("{out}", str(folder)).replace("{in}", str(inputs)) for part in COMMANDS[name].argv]
        with open(self._errors, "wb") as errors:
            self.process = subprocess.Popen(
                _vjax(argv),
                env=_environment(self.mark, self.temporary),
                stdout=subprocess.DEVNULL,
                stderr=errors,
                start_new_session=True,
            )

    @property
    def error(self) -> str:
        return self._errors.read_text(errors="replace")[-4000:]

    def processes(self) -> dict[int, str]:
        """The command lines of all living processes of this run, by id."""
        found = {}
        for folder in Path("/proc").iterdir():
            try:
                ours = folder.name.isdigit() and self.mark.encode() in (folder / "environ").read_bytes()
                if ours and (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z":
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    def victims(self, target: str) -> list[int]:
        """The processes of a kind."""
        if target in ("program", "group"):
            return [self.process.pid]
        others = {pid: line for pid, line in self.processes().items() if pid != self.process.pid}
        servers = [pid for pid, line in others.items() if "multiprocessing.forkserver" in line]
        parents = {pid: int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in servers}
        if target == "fork server":
            return [pid for pid in servers if parents[pid] == self.process.pid]
        return [pid for pid in servers if parents[pid] != self.process.pid]


def run_chain(name: str, out: Path, rng: random.Random, most: int) -> dict:
    """Kills a command up to `most` times, lets it finish, and compares. Returns the record of the chain."""
    folder, inputs, undisturbed = out / "chain", out / "inputs", out / "undisturbed" / name
    for one in (folder, folder.with_name("chain.tmp")):
        shutil.rmtree(one, ignore_errors=True)
    folder.mkdir()
    COMMANDS[name].prepare(folder, inputs)
    usual_s = float((undisturbed / "seconds").read_text())
    kills, failures = [], []
    while len(kills) < most:
        run, began = Run(name, folder, inputs), time.monotonic()
        while len(kills) < most and run.process.poll() is None:
            target, number = rng.choice(KILLS)
            moment_s = time.monotonic() + rng.uniform(0.05, 0.6) * usual_s
            while time.monotonic() < moment_s and run.process.poll() is None:
                time.sleep(0.01)
            victims: list[int] = []
            while run.process.poll() is None and not (victims := _victims(run, target)):
                time.sleep(0.005)
            if not victims:
                break
            kill = {"target": target, "signal": number.name, "after_s": round(time.monotonic() - began, 2)}
            (os.killpg if target == "group" else os.kill)(rng.choice(victims), number)
            kills.append(kill)
            if target in ("program", "group"):
                kill |= _left(run)
        code = _wait(run)
        if code == 0:
            break
        if kills and kills[-1]["target"] in ("program", "group"):
            kills[-1] |= {"code": code, "traceback": "Traceback" in run.error}
            if kills[-1]["signal"] == "SIGTERM" and code not in (143, -signal.SIGTERM):
                failures.append(f"exit code {code} after SIGTERM: {run.error[-300:]}")
            continue
        failures.append(f"exit code {code} after {kills[-1:]}: {run.error[-300:]}")
        break
    run = Run(name, folder, inputs)  # if it had finished, this must change nothing
    code = _wait(run)
    if code != 0 and not (name == "pack" and "is not empty" in run.error):
        failures.append(f"exit code {code} at the end: {run.error[-300:]}")
    failures += COMMANDS[name].differences(folder, undisturbed)
    return {
        "command": name,
        "kills": kills,
        "failures": failures,
        **_left(run),
    }


def _victims(run: Run, target: str) -> list[int]:
    try:
        return run.victims(target)
    except OSError:  # one ended meanwhile
        return []


def _wait(run: Run) -> int:
    try:
        return run.process.wait(300)
    except subprocess.TimeoutExpired:
        os.killpg(run.process.pid, signal.SIGKILL)
        run.process.wait()
        return 1000  # it hung


def _left(run: Run) -> dict:
    """What is left two seconds after the end of the program."""
    began = time.monotonic()
    _wait(run)
    ended_s = time.monotonic() - began
    deadline = time.monotonic() + 2
    while (left := run.processes()) and time.monotonic() < deadline:
        time.sleep(0.05)
    return {"ended_s": round(ended_s, 2), "orphans": len(left), "temporary": len(list(run.temporary.iterdir()))}


def table(chains: list[dict]) -> str:
    """A row for each command: kills by target, and what went wrong."""
    lines = [
        "| command | chains | kills | program | group | worker | fork server | orphans | tracebacks | differences |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for name in [name for name in COMMANDS if any(chain["command"] == name for chain in chains)] + ["all"]:
        some = [chain for chain in chains if name in ("all", chain["command"])]
        kills = [kill for chain in some for kill in chain["kills"]]
        targets = collections.Counter(kill["target"] for kill in kills)
        by_target = " | ".join(str(targets[target]) for target in ("program", "group", "worker", "fork server"))
        orphans = sum(kill.get("orphans", 0) for kill in kills) + sum(chain["orphans"] for chain in some)
        traces = sum(kill.get("traceback", False) for kill in kills)
        wrong = sum(bool(chain["failures"]) for chain in some)
        lines.append(f"| {name} | {len(some)} | {len(kills)} | {by_target} | {orphans} | {traces} | {wrong} |")
    kills = [kill for chain in chains for kill in chain["kills"]]
    if seconds := [kill["ended_s"] for kill in kills if kill["signal"] == "SIGTERM" and "ended_s" in kill]:
        lines.append(f"\nend after SIGTERM: median {np.median(seconds):.1f} s, most {max(seconds):.1f} s")
    lines.append(f"temporary folders left by kills: {sum(kill.get('temporary', 0) for kill in kills)}")
    lines += [f"{chain['command']}: {failure}" for chain in chains for failure in chain["failures"]]
    return "\n".join(lines)


def _line(chain: dict) -> str:
    kills = ", ".join(f"{kill['target']} {kill['signal']} at {kill['after_s']} s" for kill in chain["kills"])
    return f"{kills}; {'; '.join(chain['failures']) or 'as undisturbed'}"


def _vjax(argv: list[str]) -> list[str]:
    return [sys.executable, "-m", "vjax", *argv]


def _environment(mark: str, temporary: Path) -> dict[str, str]:
    paths = {"PYTHONPATH": str(ROOT), "TMPDIR": str(temporary)}
    return {**os.environ, **paths, "VJAX_KILL_MARK": mark, "JAX_PLATFORMS": "cpu"}


def _json_lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


if __name__ == "__main__":
    main()
