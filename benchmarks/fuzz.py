"""Reads mutated files with vjax's readers: presets, wavetables, catalogs, sounds, datasets, checkpoints and banks.

    python benchmarks/fuzz.py --out runs/fuzz --n 10000

Each input is a real file with up to four changes: values of its structure that are deleted, doubled or replaced by
junk, headers with other numbers, flipped bytes, a cut, or bytes of another place. A process of its own reads it, with a
limit of memory and of time. Right answers are a result, or an expected error (`vjax.io.errors.is_expected`). Faults are
any other exception (MemoryError too), the death of the process, and a hang. One preset in 40 that is read is rendered.

Input number I of a kind comes from `--seed` and I alone: `--show KIND I` writes it again and prints its error. The
same command continues: `OUT/results.jsonl` has a line for each fault, and for each 50 inputs.
"""

import argparse
import collections
import copy
import dataclasses
import json
import os
import random
import resource
import select
import shutil
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
SHARES = {
    "preset": 0.33,
    "wavetable": 0.12,
    "catalog": 0.08,
    "sound": 0.25,
    "dataset": 0.17,
    "bank": 0.03,
    "checkpoint": 0.02,
}
BLOCK = 50
LIMIT_S = 20.0
MEMORY_BYTES = {"checkpoint": 12 * 2**30, "preset": 4 * 2**30}
JUNK = [None, True, False, 0, -1, 1, 0.5, 2048, 65, 1e6, 1e308, -1e308, 10**30, 10**400, 2**31, -(2**63), -0.0]
JUNK += [float("nan"), float("inf"), "", "x", "é", "\ud800", "AAAA", "../../../etc/passwd", "a" * 10**5, [], {}, [[]]]
JUNK += [[{}], {"a": 1}, [1, 2], [None], [0.0] * 300, "1.0.0", [[[]] * 9]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--n", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=1e9, help="begin no block after N minutes")
    parser.add_argument("--only", choices=SHARES, nargs="+", default=tuple(SHARES))
    parser.add_argument("--show", nargs=2, metavar=("KIND", "I"), help="read one input here, with its traceback")
    parser.add_argument("--worker", choices=SHARES, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    out = arguments.out.absolute()
    if arguments.worker:
        work(arguments.worker, out, arguments.seed)
        return
    if arguments.show:
        kind, number = arguments.show[0], int(arguments.show[1])
        print(outcome(kind, mutated(kind, out / "seeds", out / "shown", arguments.seed, number), number, show=True))
        return
    out.mkdir(parents=True, exist_ok=True)
    make_seeds(out / "seeds")
    record, deadline = out / "results.jsonl", time.monotonic() + 60 * arguments.minutes
    lines = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    done = {(line["kind"], line["first"]) for line in lines if "counts" in line}
    worker: Worker | None = None
    for kind in arguments.only:
        for first in range(0, round(SHARES[kind] * arguments.n), BLOCK):
            if (kind, first) in done or time.monotonic() > deadline:
                continue
            if worker is None or worker.kind != kind:
                if worker:
                    worker.end()
                worker = Worker(kind, out, arguments.seed)
            counts, faults = collections.Counter(), []
            for number in range(first, min(first + BLOCK, round(SHARES[kind] * arguments.n))):
                found = worker.read(number)
                counts[found["outcome"]] += 1
                if found["outcome"] not in ("read", "refused", "played"):
                    faults.append({"kind": kind, "number": number, **found})
                    print(json.dumps(faults[-1])[:400], file=sys.stderr, flush=True)
            new = [*faults, {"kind": kind, "first": first, "counts": counts}]
            with record.open("a") as file:
                file.writelines(json.dumps(line) + "\n" for line in new)
            lines += new
    if worker:
        worker.end()
    print(table(lines))


def table(lines: list[dict]) -> str:
    """A row for each kind: the outcomes; then the faults by their text."""
    rows = ["| file | inputs | read | refused | exception | death | hang |", "|---|---|---|---|---|---|---|"]
    total = collections.Counter()
    for kind in SHARES:
        counts = collections.Counter()
        for line in lines:
            if line["kind"] == kind and "counts" in line:
                counts.update(line["counts"])
        total.update(counts)
        if counts:
            rows.append(_row(kind, counts))
    rows.append(_row("all", total))
    faults = collections.Counter((f["kind"], f["outcome"], f["error"][:160]) for f in lines if "error" in f)
    return "\n".join(rows + [f"{n:4d} {' '.join(fault)}" for fault, n in faults.most_common()])


def _row(name: str, counts: collections.Counter) -> str:
    columns = (counts["read"] + counts["played"], *(counts[c] for c in ("refused", "exception", "death", "hang")))
    return f"| {name} | {counts.total()} | {' | '.join(map(str, columns))} |"


class Worker:
    """A process that reads one input after another, and is started again after a death or a hang."""

    def __init__(self, kind: str, out: Path, seed: int):
        self.kind, self._out, self._seed = kind, out, seed
        self._start()

    def _start(self) -> None:
        command = [sys.executable, __file__, "--out", self._out, "--seed", str(self._seed), "--worker", self.kind]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
            text=True,
        )
        self._process.stdout.readline()  # it has imported all modules

    def read(self, number: int) -> dict[str, Any]:
        try:
            self._process.stdin.write(f"{number}\n")
            self._process.stdin.flush()
        except OSError:
            pass
        ready, _, _ = select.select([self._process.stdout], [], [], LIMIT_S)
        line = self._process.stdout.readline() if ready else ""
        if line:
            return json.loads(line)
        if ready:
            code = self._process.wait()
            found = {"outcome": "death", "error": signal.Signals(-code).name if code < 0 else f"exit code {code}"}
        else:
            found = {"outcome": "hang", "error": f"no answer in {LIMIT_S:g} s"}
        self.end()
        self._start()
        return found

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()


def work(kind: str, out: Path, seed: int) -> None:
    """The worker's process: reads numbers from stdin, writes outcomes to stdout."""
    READERS[kind](next(iter((out / "seeds" / kind).iterdir())))  # imports; a seed must be readable
    memory = MEMORY_BYTES.get(kind, 4 * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    answers, sys.stdout = sys.stdout, sys.stderr
    print("ready", file=answers, flush=True)
    for line in sys.stdin:
        number = int(line)
        path = mutated(kind, out / "seeds", out / f"work-{kind}", seed, number)
        print(json.dumps(outcome(kind, path, number)), file=answers, flush=True)


def outcome(kind: str, path: Path, number: int, show: bool = False) -> dict[str, Any]:
    """What the reader does with a file."""
    from vjax.io.errors import error_text, is_expected

    try:
        result = READERS[kind](path)
        if kind == "preset" and number % 40 == 0:
            return play(result)
        return {"outcome": "read"}
    except Exception as error:
        if show:
            traceback.print_exc()
        expected = is_expected(error) and not isinstance(error, MemoryError)
        if expected and "\n" in error_text(error):
            return {"outcome": "exception", "error": f"two lines: {error_text(error)}"}
        if expected:
            return {"outcome": "refused"}
        where = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{Path(where.filename).name}:{where.lineno}"
        return {"outcome": "exception", "error": f"{type(error).__name__} at {place}: {str(error)[:200]}"}


def play(preset) -> dict[str, Any]:
    """Renders a preset that was read. A crash of the engine is a death, although it affects only its own process."""
    from vjax.engine.config import RenderConfig
    from vjax.engine.pool import RenderJob, RenderPool

    with RenderPool(RenderConfig(seconds=0.2, note_s=0.15, timeout_s=10), 1) as pool:
        rendering = pool.render(RenderJob(preset.to_json(), (48,)))
    if rendering.error.startswith("invalid: "):  # the engine refuses it
        return {"outcome": "refused"}
    if rendering.error:
        return {"outcome": "death", "error": f"the engine: {rendering.error}"}
    return {"outcome": "played"}


def _read_preset(path: Path):
    from vjax.vital.preset import read_preset

    preset = read_preset(path)
    preset.to_json()
    return preset


def _read_wavetable(path: Path):
    from vjax.vital.collect import read_table

    return read_table(path)


def _read_catalog(path: Path):
    from vjax.vital.default_vocabulary import read_vocabulary

    return read_vocabulary(path)


def _read_sound(path: Path):
    from vjax.audio.clip import load_clip

    return load_clip(path, 44100, 88200).audio


def _read_dataset(path: Path):
    from vjax.data.inspection import inspect_dataset
    from vjax.data.reader import Reader
    from vjax.data.store import open_dataset

    info = open_dataset(path)
    reader = Reader(info)
    for row in (0, info.n - 1):
        reader[row]
    inspect_dataset(path)


def _read_bank(path: Path):
    import numpy as np

    from vjax.candidates.bank import checkpoint_bank
    from vjax.shipped import MODEL
    from vjax.training.checkpoint import load_checkpoint
    from vjax.vital.default_vocabulary import vocabulary_of

    if not _loaded:
        restored = load_checkpoint(MODEL)
        catalog = restored.meta["wavetable_catalog_json"]
        _loaded.append((restored.schema, vocabulary_of(catalog, restored.schema)))
    bank = checkpoint_bank(path, *_loaded[0])
    if bank is not None:
        (found,) = bank.nearest(np.zeros(bank.mels.shape[1:], np.float32), 48, 1)
        found.preset.to_json()


_loaded: list = []


def _read_checkpoint(path: Path):
    from vjax.inference.predict import Predictor

    return Predictor.from_checkpoint(path)


READERS: dict[str, Callable[[Path], Any]] = {
    "preset": _read_preset,
    "wavetable": _read_wavetable,
    "catalog": _read_catalog,
    "sound": _read_sound,
    "dataset": _read_dataset,
    "bank": _read_bank,
    "checkpoint": _read_checkpoint,
}


# Mutations


def mutated(kind: str, seeds: Path, folder: Path, seed: int, number: int) -> Path:
    """Writes input `number` of a kind into `folder`, and returns its path."""
    rng = random.Random(f"{seed} {kind} {number}")
    source = rng.choice(sorted((seeds / kind).iterdir()))
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    path = folder / source.name
    if source.is_dir():
        shutil.copytree(source, path, copy_function=os.link)
        files = sorted(file for file in path.rglob("*") if file.is_file())
        small = [file for file in files if file.stat().st_size < 200_000] or files
        victim = rng.choice(small if rng.random() < 0.8 else files)
        content = victim.read_bytes()
        victim.unlink()  # it is a link to the seed
        if rng.random() < 0.9:
            victim.write_bytes(changed_bytes(victim, content, rng))
        return path
    if kind == "dataset" and rng.random() < 0.5:
        shutil.copyfile(source, path)
        change_hdf5(path, rng)
        return path
    path.write_bytes(changed_bytes(path, source.read_bytes(), rng))
    return path


def changed_bytes(path: Path, content: bytes, rng: random.Random) -> bytes:
    """JSON is changed in its structure most of the time; other files and the rest are changed as bytes."""
    if path.suffix == ".gz" and rng.random() < 0.7:
        import gzip

        return gzip.compress(changed_json(gzip.decompress(content), rng), 1)
    if content[:1] in b"{[" and rng.random() < 0.8:
        return changed_json(content, rng)
    if path.suffix == ".npz" and rng.random() < 0.6:
        return changed_npz(content, rng)
    data = bytearray(content)
    for _ in range(rng.choice([1, 1, 2, 4])):
        if not data:
            break
        # Headers are short, and most changes behind them only change samples.
        at = rng.randrange(min(len(data), 64 if rng.random() < 0.5 else 4096 if rng.random() < 0.6 else len(data)))
        change = rng.random()
        if change < 0.35:
            data[at] ^= 1 << rng.randrange(8)
        elif change < 0.5:
            data[at : at + 4] = rng.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", rng.randbytes(4)])
        elif change < 0.6:
            data[at : at + 8] = rng.choice([b"\xff" * 8, b"\0" * 8, (2**40).to_bytes(8, "little")])
        elif change < 0.75:
            del data[at : at + rng.choice([1, 2, 4, 1000])]
        elif change < 0.85:
            del data[at:]
        else:
            other = rng.randrange(len(data))
            data[at:at] = data[other : other + rng.choice([4, 64, 4096])]
    return bytes(data)


def changed_json(content: bytes, rng: random.Random) -> bytes:
    raw = json.loads(content)
    for _ in range(rng.choice([1, 1, 2, 4])):
        inner = raw
        while isinstance(inner, dict | list) and inner:
            key = rng.choice(sorted(inner)) if isinstance(inner, dict) else rng.randrange(len(inner))
            if isinstance(inner, dict) and rng.random() < 0.5:  # the few structured parts, among many plain values
                key = rng.choice([k for k in sorted(inner) if isinstance(inner[k], dict | list)] or [key])
            value = inner[key]
            if not isinstance(value, dict | list) or not value or rng.random() < 0.15:
                change = rng.random()
                if change < 0.2:
                    del inner[key]
                elif change < 0.35 and isinstance(inner, list):
                    inner[key:key] = [copy.deepcopy(value) for _ in range(rng.choice([1, 2, 300]))]
                elif change < 0.5 and isinstance(value, str) and value:
                    at = rng.randrange(len(value))
                    inner[key] = value[:at] + rng.choice(["", "=", "\n", value[at:] * 2])
                elif change < 0.6 and isinstance(value, int | float) and abs(value) < 1e300:
                    inner[key] = value * rng.choice([-1, 1.01, 2, 1e3, 1e9])
                else:
                    inner[key] = copy.deepcopy(rng.choice(JUNK))
                break
            inner = value
    return json.dumps(raw).encode()


def changed_npz(content: bytes, rng: random.Random) -> bytes:
    """An archive of arrays with one array missing, of another type or shape, an object, or with a huge header."""
    import io

    import numpy as np

    arrays = dict(np.load(io.BytesIO(content)))
    name, change = rng.choice(sorted(arrays)), rng.randrange(6)
    if change == 0:
        del arrays[name]
    elif change == 1:
        arrays[name] = arrays[name][: rng.randrange(3)]
    elif change == 2:
        arrays[name] = np.zeros(arrays[name].shape, rng.choice(["S3", "f8", "i1", "c8"]))
    elif change == 3:
        arrays[name] = np.array([{"a": 1}], object)
    elif change == 4:
        arrays[name] = arrays[name].reshape(-1)
    else:
        arrays["../../outside"] = arrays[name]
    stored = io.BytesIO()
    np.savez(stored, **arrays)
    return stored.getvalue()


def change_hdf5(path: Path, rng: random.Random) -> None:
    """Deletes or replaces an attribute or a dataset; shapes may be huge."""
    import h5py
    import numpy as np

    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        for _ in range(rng.choice([1, 1, 2])):
            if rng.random() < 0.5 and len(file.attrs):
                key = rng.choice(sorted(file.attrs))
                value = file.attrs[key]
                del file.attrs[key]
                change = rng.random()
                if change < 0.3 and isinstance(value, str) and value[:1] in "{[":
                    file.attrs[key] = changed_json(value.encode(), rng).decode()
                elif change < 0.8:
                    file.attrs[key] = rng.choice(
                        ["", "x", "{}", "[]", "null", -1, 10**12, 0.5, np.nan, b"\xff", np.zeros(3), h5py.Empty("f")]
                    )
                continue
            name = rng.choice(names)
            try:
                one = file[name]
            except KeyError:  # it was deleted, or is a link to nowhere
                continue
            change = rng.randrange(5)
            shape = one.shape if isinstance(one, h5py.Dataset) else None
            del file[name]
            if change == 0 or shape is None:
                continue
            if change == 1:  # huge, and takes no space
                size = rng.choice([10**6, 10**9, 10**12])
                chunks = (1, *shape[1:])
                file.create_dataset(name, (size, *shape[1:]), "f4", chunks=chunks)
            elif change == 2 and shape[:1] < (10**5,):
                file.create_dataset(name, data=np.full(shape, rng.choice([np.nan, -1, 1e30, 10**6]), "f8"))
            elif change == 3:
                file.create_dataset(name, data=np.zeros(rng.choice([(), (0,), (3,), (3, 3), shape[:1]]), "i4"))
            else:
                target = rng.choice(["/nowhere", name, "/"])
                file[name] = rng.choice([h5py.SoftLink(target), h5py.ExternalLink("/etc/passwd", "x")])


# Seeds


def make_seeds(folder: Path) -> None:
    """Small real files of each kind."""
    if (folder / "done").exists():
        return
    import numpy as np
    import soundfile

    shutil.rmtree(folder, ignore_errors=True)
    for kind in SHARES:
        (folder / kind).mkdir(parents=True)
    data = ROOT / "tests" / "data"
    for preset in sorted((data / "presets").glob("*.vital")):
        shutil.copyfile(preset, folder / "preset" / preset.name)
        raw = json.loads(preset.read_text())
        table = raw["settings"]["wavetables"][0]
        (folder / "wavetable" / f"{preset.stem}.vitaltable").write_text(json.dumps(table))
    samples, rate = soundfile.read(data / "sounds" / "bass.wav")
    for name, coding in (
        ("a.wav", "PCM_16"),
        ("b.wav", "FLOAT"),
        ("c.flac", "PCM_16"),
        ("d.ogg", "VORBIS"),
        ("e.aiff", "PCM_24"),
        ("f.mp3", "MPEG_LAYER_III"),
        ("g.au", "PCM_16"),
        ("h.caf", "PCM_16"),
        ("i.w64", "PCM_16"),
    ):
        soundfile.write(folder / "sound" / name, samples[: rate // 4], rate, subtype=coding)
    from vjax.shipped import MODEL
    from vjax.vital.default_vocabulary import default_vocabulary, write_vocabulary

    whole = default_vocabulary()
    small = dataclasses.replace(whole, wavetables=whole.wavetables.chosen(range(3)))
    write_vocabulary(folder / "catalog" / "a.json", small)
    write_vocabulary(folder / "catalog" / "b.json.gz", small)
    shutil.copytree(MODEL, folder / "checkpoint" / "model")
    (folder / "checkpoint" / "model" / "bank.npz").unlink()
    (folder / "bank" / "model").mkdir()
    with np.load(Path(MODEL) / "bank.npz") as bank:
        np.savez(folder / "bank" / "model" / "bank.npz", **{name: bank[name][:20] for name in bank.files})
    _make_datasets(folder / "dataset")
    (folder / "done").touch()


def _make_datasets(folder: Path) -> None:
    """A shard without its catalog, and a file in the report's layout."""
    import h5py
    import numpy as np

    command = [sys.executable, "-m", "vjax", "generate", "--config", "tier3:smoke", "--n", "4", "--workers", "1"]
    settings = ("render.seconds=0.2", "render.note_s=0.15", "silence_db=-200", "presets_per_shard=8")
    command += [f"--config.generation.{setting}" for setting in settings]
    made = folder.with_name("made")
    subprocess.run([*command, "--out", made], check=True, env={**os.environ, "PYTHONPATH": str(ROOT)})
    with h5py.File(made / "shard-00000.h5") as source, h5py.File(folder / "a.h5", "w") as file:
        for key, value in source.attrs.items():
            if not key.startswith("catalog"):
                file.attrs[key] = value
        source.visititems(lambda name, one: _copy(file, name, one))
    with h5py.File(made / "shard-00000.h5") as source, h5py.File(folder / "b.h5", "w") as file:
        for name in ("params/continuous", "params/categorical", "features/mel_spectrogram"):
            file[name] = source[name][:3]
        file["audio/waveforms"] = np.zeros((3, 2, 4410), np.float32)
        file["params/modulation_t3"] = np.zeros((3, 4, 32, 428), np.float32)
    shutil.rmtree(made)


def _copy(file, name: str, one) -> None:
    if hasattr(one, "shape"):
        file.create_dataset(name, data=one[()], chunks=(1, *one.shape[1:]) if len(one.shape) > 1 else None)


if __name__ == "__main__":
    main()
