"""Measures generation against the engine's limit (presets per second of bare loops), and memory over many renders.

    python benchmarks/generate.py --json out.json                 # 6 minutes on two cores
    python benchmarks/generate.py --rows 10000 --rounds 0         # memory alone, over a long run

Both sides render the same candidates (three notes of 2 s each) in turn, on the same number of processes, with the same
settled notes. `generate` samples, renders, rejects, computes log-mels and writes shards; it is timed from the end of
its first shard to that of the last whole one, by the files' times. The bare loops only fork, load, settle and render.
Loops that load into one Synth without forking are faster but wrong, because a Synth depends on its earlier renders.
`ratio` is generate / bare forks.
"""

import argparse
import json
import multiprocessing
import os
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

SHARDS = 3  # whole ones of a round; the first is not timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--candidates", type=int, default=16, help="of a shard; two shards are timed in a round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=960, help="rows of 0.15 s kept, for the memory; 0 leaves it out")
    parser.add_argument("--workers", type=int, default=0, help="0 takes every core")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    from vjax.engine.pool import default_workers

    workers = arguments.workers or default_workers()
    found = {"workers": workers}
    with tempfile.TemporaryDirectory() as folder:
        if arguments.rounds:
            found |= compare(Path(folder), arguments, workers)
        if arguments.rows:
            found |= watch_memory(Path(folder) / "memory", arguments.rows, workers)
    for name, value in found.items():
        print(f"{name:40} {round(value, 4) if isinstance(value, float) else value}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def compare(folder: Path, arguments: argparse.Namespace, workers: int) -> dict[str, float]:
    from vjax.data.generate import GenerationConfig, generate

    config = GenerationConfig(presets_per_shard=arguments.candidates)
    first = folder / "first"
    generate(config, first, SHARDS * arguments.candidates * len(config.notes), 0, workers, progress=False)
    n = sum(_rows(first / f"shard-{i:05d}.h5") for i in range(SHARDS)) + 1  # one row of a shard more: it ends there
    jobs = [job for shard in range(1, SHARDS) for job in _jobs(config, shard)]
    rates: dict[str, list[float]] = {"generate": [], "bare, forks": [], "bare, one Synth": []}
    for number in range(arguments.rounds):
        out = folder / str(number)
        generate(config, out, n, 0, workers, progress=False)
        ends = [(out / f"shard-{i:05d}.h5").stat().st_mtime_ns for i in (0, SHARDS - 1)]
        rates["generate"].append(len(jobs) / (1e-9 * (ends[1] - ends[0])))
        for name, reuse in (("bare, forks", False), ("bare, one Synth", True)):
            rates[name].append(_bare(jobs, config, workers, reuse))
        print(f"round {number + 1}: " + ", ".join(f"{k} {v[-1]:.2f} presets/s" for k, v in rates.items()), flush=True)
    ratio = {name: float(np.median(np.divide(rates["generate"], rates[name]))) for name in rates}
    return {
        "ratio": ratio["bare, forks"],
        "ratio_to_one_reused_synth": ratio["bare, one Synth"],
        "presets_per_second": float(np.median(rates["generate"])),
        "renders_per_second": float(np.median(rates["generate"])) * len(config.notes),
    }


def _rows(shard: Path) -> int:
    import h5py

    with h5py.File(shard) as file:
        return len(file["metadata/midi_note"])


def _jobs(config, shard: int) -> list[tuple[dict, tuple[int, ...], int]]:
    """(Vital JSON, notes, seed) of a shard's candidates, as `generate` renders them."""
    from vjax.data.preset_bank import load_bank
    from vjax.data.sampling import sample_block
    from vjax.vital.vocabulary import from_parameters

    bank = load_bank(None)
    schema = bank.vocabulary.schema()
    draws = sample_block(schema, config.sampling, 0, shard, config.presets_per_shard, bank.entries)
    jobs = []
    for candidate, draw in enumerate(draws):
        preset = from_parameters(draw.parameters, schema, bank.vocabulary, name=draw.name)
        jobs.append((preset, config.notes_of(0, shard, candidate), candidate % config.seeds))
    return jobs


def _bare(jobs: list, config, workers: int, reuse: bool) -> float:
    """Presets per second of plain processes that take one job after the other."""
    context = multiprocessing.get_context("forkserver")
    taken, barrier = context.Value("i", 0), context.Barrier(workers + 1)
    arguments = (jobs, config.render, taken, barrier, reuse)
    processes = [context.Process(target=_bare_worker, args=arguments) for _ in range(workers)]
    for process in processes:
        process.start()
    barrier.wait()
    began = time.perf_counter()
    for process in processes:
        process.join()
        if process.exitcode:
            raise SystemExit(f"a bare worker exited with {process.exitcode}")
    return len(jobs) / (time.perf_counter() - began)


def _bare_worker(jobs, render, taken, barrier, reuse: bool) -> None:
    from vjax.engine import synth

    engine = synth.prepare()
    barrier.wait()
    while True:
        with taken.get_lock():
            number, taken.value = taken.value, taken.value + 1
        if number >= len(jobs):
            os._exit(0)
        preset, notes, seed = jobs[number]
        if reuse:
            assert engine.load_json(json.dumps(preset))
            for note in notes:
                synth.play(engine, note, render)
        else:
            _forked(lambda preset=preset, notes=notes, seed=seed: _play_all(preset, notes, seed, render))


def _play_all(preset, notes, seed: int, render) -> None:
    from vjax.engine import synth

    engine = synth.load(preset, render, seed)
    for note in notes:
        _forked(lambda note=note: synth.play(engine, note, render))


def _forked(work) -> None:
    child = os.fork()
    if not child:
        work()
        os._exit(0)
    os.waitpid(child, 0)


def watch_memory(out: Path, rows: int, workers: int) -> dict[str, float]:
    """Generates sounds of 0.15 s and samples the memory of this process and of the fork server."""
    from vjax.data.generate import GenerationConfig, generate
    from vjax.engine.config import RenderConfig

    config = GenerationConfig(
        render=RenderConfig(seconds=0.15, note_s=0.1), random_notes=40, presets_per_shard=8, silence_db=-200.0
    )
    samples, done = [], threading.Event()

    def sample() -> None:
        while not done.wait(0.1):
            files = len(list(out.glob("*.h5")))
            samples.append((files, _resident_mb(os.getpid()), sum(map(_resident_mb, _servers()))))

    watcher = threading.Thread(target=sample)
    watcher.start()
    began = time.perf_counter()
    try:
        report = generate(config, out, rows, 1, workers, progress=False)
    finally:
        done.set()
        watcher.join()
    # The first shard compiles and loads; from the second on, memory should not grow.
    files, *columns = np.array([row for row in samples if row[0] >= 1], float).T
    tenth = max(len(files) // 10, 1)
    renders = (report.presets + sum(report.rejected.values())) * config.notes_per_preset
    found = {"memory_renders": renders, "memory_run_s": time.perf_counter() - began}
    per_file = renders / max(len(list(out.glob("*.h5"))), 1)
    for name, mb in zip(("main_process", "fork_server"), columns, strict=True):
        first, last = float(np.median(mb[:tenth])), float(np.median(mb[-tenth:]))
        found |= {f"{name}_mb_first_tenth": first, f"{name}_mb_last_tenth": last}
        # The least memory of each shard: between shards, a process keeps a shard's sounds for a while.
        shards = np.unique(files)
        least = np.array([mb[files == shard].min() for shard in shards])
        for part, start in (("", 0), ("_second_half", len(shards) // 2)):
            enough = len(shards) - start > 1
            slope = np.polyfit(shards[start:] * per_file, least[start:], 1)[0] if enough else 0.0
            found[f"{name}_mb_per_1000_renders{part}"] = float(slope) * 1000
    return found


def _servers() -> list[int]:
    """Processes started by this one: the fork server and its resource tracker."""
    children = []
    for task in Path("/proc/self/task").iterdir():
        children += map(int, (task / "children").read_text().split())
    return children


def _resident_mb(pid: int) -> float:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (FileNotFoundError, ProcessLookupError, IndexError):  # the process has ended
        return 0.0
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


if __name__ == "__main__":
    main()
