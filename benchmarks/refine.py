"""Measures refinement against the engine's limit: evaluations per second, and those of bare engine workers.

    python benchmarks/refine.py --json out.json

Both sides render variations of the same presets, knobs moved alike, with the same settled notes, on the same number of
processes, in turn (A B A B ...). The bare workers load a preset once, before the timing, and then only fork, set,
settle and render, without pipes, distances and strategy. Refinement's time includes its loads, one for each of two
seeds, so they weigh more with few evaluations. A second bare side reuses one Synth without forking. It is faster but
not repeatable: the difference is the cost of exact renders. The loss rows are read from benchmarks/strategies.py's
runs.
"""

import argparse
import json
import multiprocessing
import os
import time
from pathlib import Path

import numpy as np

from vjax.io.json_lines import read_lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default=Path("tests/data/presets"), type=Path)
    parser.add_argument("--targets", type=int, default=8)
    parser.add_argument("--evals", type=int, default=103, help="of each target in one round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=0, help="0 takes every core")
    parser.add_argument("--runs", type=Path, default=Path("runs/strategies/runs.jsonl"), help="of strategies.py")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    from vjax.engine.pool import default_workers

    workers = arguments.workers or default_workers()
    presets, audio = _presets(arguments)
    _refined(presets, audio, arguments, workers)  # compiles, and fills caches
    rows = []
    for number in range(arguments.rounds):
        rates = {"refine": _refined(presets, audio, arguments, workers)}
        for reuse in (False, True):
            rates["bare, one Synth" if reuse else "bare, forks"] = _bare(presets, arguments.evals, workers, reuse)
        rows.append(rates | {"shares": rates["refine"].pop("shares")})
        print(f"round {number + 1}: " + ", ".join(f"{k} {v['rate']:.2f}/s" for k, v in rates.items()), flush=True)
    ratio = [row["refine"]["rate"] / row["bare, forks"]["rate"] for row in rows]
    reused = [row["refine"]["rate"] / row["bare, one Synth"]["rate"] for row in rows]
    share = [row["shares"] for row in rows]
    found = {
        "ratio": float(np.median(ratio)),
        "evals_per_second_vs_bare": float(np.median(ratio)),
        "evals_per_second_vs_reused_synth": float(np.median(reused)),
        "evals_per_second": float(np.median([row["refine"]["rate"] for row in rows])),
        "cpu_share_of_optimiser_and_distances": float(np.median(share)),
        "targets": len(presets),
        "workers": workers,
        **_losses(arguments.runs),
    }
    for name, value in found.items():
        print(f"{name:40} {value if value is None else round(value, 4)}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found | {"rounds": rows}, indent=1))


def _presets(arguments) -> tuple[list, np.ndarray]:
    """Musicians' presets, evenly spread, and their sounds (each is sought from its neighbour in the list)."""
    from vjax.engine.config import RenderConfig
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.io.find_files import find_presets
    from vjax.vital.preset import read_preset

    files = find_presets(arguments.presets)
    chosen = [files[i] for i in np.linspace(0, len(files) - 1, arguments.targets).astype(int)]
    presets = [read_preset(file) for file in chosen]
    with RenderPool(RenderConfig()) as pool:
        audio = [r.audio[0] for r in pool.map(RenderJob(p.to_json(), (48,)) for p in presets)]
    return presets, np.stack(audio)


def _refined(presets, audio, arguments, workers: int) -> dict:
    """Evaluations per second of generations alone. Neither side includes the scoring before and after them."""
    from vjax.engine.config import RenderConfig
    from vjax.engine.pool import RenderPool
    from vjax.matching.choose import rank
    from vjax.search import refine as module
    from vjax.search.candidate import Candidate
    from vjax.search.refine import refine
    from vjax.search.refine_config import RefineConfig
    from vjax.search.target import RefineTarget

    spent = {"wall": 0.0, "cpu": 0.0, "evals": 0}
    generation = module._generation

    def timed(searches, *rest):
        before, began, cpu = sum(s.evals for s in searches.values()), time.perf_counter(), time.process_time()
        generation(searches, *rest)
        spent["wall"] += time.perf_counter() - began
        spent["cpu"] += time.process_time() - cpu
        spent["evals"] += sum(s.evals for s in searches.values()) - before

    module._generation = timed
    try:
        given = [(Candidate("start", presets[i - 1]),) for i in range(len(presets))]
        targets = [RefineTarget(str(i), audio[i], 48, candidates) for i, candidates in enumerate(given)]
        config = RefineConfig(evals=arguments.evals, parallel=len(targets))
        with RenderPool(RenderConfig(), workers) as pool:
            for refined in refine(rank(targets, config, pool), config, RenderConfig(), workers, pool=pool):
                assert not refined.error, refined.error
    finally:
        module._generation = generation
    # This process only optimises, scores and fetches; other processes render.
    share = spent["cpu"] / (workers * spent["wall"])
    return {"rate": spent["evals"] / spent["wall"], "shares": share}


def _bare(presets, evals: int, workers: int, reuse: bool) -> dict:
    """The same number of renders of the same presets by `workers` plain processes."""
    context = multiprocessing.get_context("forkserver")
    jobs = [(preset.to_json(), n) for preset in presets for n in _shares(evals - 1, workers)]
    per_worker = [jobs[i::workers] for i in range(workers)]
    pipes, processes = [], []
    for worker_jobs in per_worker:
        parent_end, child_end = context.Pipe()
        process = context.Process(target=_bare_worker, args=(child_end, worker_jobs, reuse))
        process.start()
        pipes.append(parent_end)
        processes.append(process)
    for pipe in pipes:
        pipe.recv()  # ready
    began = time.perf_counter()
    for pipe in pipes:
        pipe.send(True)
    done = sum(pipe.recv() for pipe in pipes)
    took = time.perf_counter() - began
    for process in processes:
        process.join()
    return {"rate": done / took}


def _shares(n: int, workers: int) -> list[int]:
    return [n // workers + (i < n % workers) for i in range(workers)]


def _bare_worker(pipe, jobs, reuse: bool) -> None:
    import vita

    from vjax.engine import synth
    from vjax.engine.config import RenderConfig
    from vjax.search.space import make_space
    from vjax.vital.preset import Preset

    config, loaded = RenderConfig(), []
    for raw, n in jobs:
        space = make_space(Preset.from_json(raw))
        rng = np.random.default_rng(0)
        values = [space.values(space.origin + rng.normal(0, 0.05, space.size)) for _ in range(n)]
        engine = vita.Synth()
        assert engine.load_json(json.dumps(raw))
        synth.settle(engine, 48, config.velocity)
        loaded.append((engine, values))
    pipe.send(True)
    pipe.recv()
    done = 0
    for engine, values in loaded:
        for wanted in values:
            child = 0 if reuse else os.fork()
            if reuse:
                synth.play_variation(engine, 48, config, wanted)
            elif child:
                os.waitpid(child, 0)
            else:
                synth.play_variation(engine, 48, config, wanted)
                os._exit(0)
            done += 1
    pipe.send(done)
    os._exit(0)


def _losses(runs: Path) -> dict:
    """The default strategy's best loss after N evaluations divided by pycma's, median of the pairs that both have."""
    from vjax.search.strategy import StrategyConfig

    if not runs.exists():
        return {}
    lines = read_lines(runs)
    by = {(r["strategy"], r["start"], r["target"]): r for r in lines}
    found = {}
    for budget in (500, 5000):
        ratios = []
        for (strategy, start, target), run in by.items():
            peer = by.get(("pycma", start, target))
            if strategy != StrategyConfig().name or peer is None or min(run["evals"], peer["evals"]) < budget:
                continue
            loss, peer_loss = (min(loss for n, loss in r["trace"] if n <= budget) for r in (run, peer))
            ratios.append(loss / peer_loss)
        found[f"loss_vs_pycma_{budget}"] = float(np.median(ratios)) if ratios else None
        found[f"pairs_{budget}"] = len(ratios)
    return found


if __name__ == "__main__":
    main()
