"""Compares evolution strategies: evosax's and pycma with the same budget, starting presets and objective.

    python benchmarks/strategies.py                              # five presets, two kinds of start, minutes
    python benchmarks/strategies.py --presets DIR --checkpoint runs/demo --evals 5000 \\
        --starts nearest,perturbed,prediction --strategies cma_es,sep_cma_es,snes,pycma    # hours; can continue

Targets are musicians' presets at note 48, `--seconds` long. A search starts from the target's own knobs, disturbed;
from the network's prediction; or from the nearest preset by another author (its folder) among the same ones. To fit
hours on two cores, targets and neighbours are taken from the cheaper presets to render (`--cheapest`). runs.jsonl has
one line per search; searches in it are not run again. The table compares best losses so far, by candidates' renders, at
several budgets. `ratio` is the default strategy's loss over pycma's, median of pairs at the largest budget both
reached.
"""

import argparse
import functools
import json
import time
from pathlib import Path

import numpy as np

from vjax.io.json_lines import append_line, read_lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", default=Path("tests/data/presets"), type=Path)
    parser.add_argument("--checkpoint", help="for --starts prediction")
    parser.add_argument("--out", type=Path, default=Path("runs/strategies"))
    parser.add_argument("--targets", type=int, default=20)
    parser.add_argument("--cheapest", type=int, default=60, help="use only the N presets that are cheapest to render")
    parser.add_argument("--names", default="", help="targets by file name; cheapness depends on the machine")
    parser.add_argument("--evals", type=int, default=100)
    parser.add_argument("--at", default="100,500,5000", help="budgets in the table")
    parser.add_argument("--starts", default="nearest,perturbed")
    parser.add_argument("--strategies", default="snes,pycma")
    parser.add_argument("--population", type=int, default=16)
    parser.add_argument("--sigma", type=float, default=0.05)
    parser.add_argument("--seconds", type=float, default=1.0, help="length of the sounds")
    parser.add_argument("--tag", default="", help="suffix of the strategies' names, to compare settings")
    parser.add_argument("--patience", type=int, default=10, help="generations without progress before a search moves")
    parser.add_argument("--parallel", type=int, default=8, help="targets searched at a time")
    parser.add_argument("--objective", default="", help="weights as mss=1,mrstft=0,... instead of the default")
    parser.add_argument("--json", type=Path, help="write the table's numbers to this file")
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    targets = _targets(arguments)
    log = arguments.out / "runs.jsonl"
    for kind in filter(None, arguments.starts.split(",")):
        for strategy in filter(None, arguments.strategies.split(",")):
            done = {(r["start"], r["strategy"], r["target"]) for r in _lines(log) if r["evals"] >= arguments.evals}
            name = strategy + arguments.tag
            left = [t for t in targets if (kind, name, t["name"]) not in done]
            if left:
                _run(arguments, kind, strategy, name, left, log)
    _table(arguments, _lines(log))


def _targets(arguments) -> list[dict]:
    """Names, paths and sounds of the presets that are sought, spread over the authors, with their nearest others."""
    from vjax.audio.distances import mss
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.io.find_files import find_presets
    from vjax.vital.preset_json import read_json

    cache = arguments.out / "bank.npz"
    files = find_presets(arguments.presets)
    names = [file.relative_to(arguments.presets).as_posix() for file in files]
    made_of = json.dumps({"seconds": arguments.seconds, "files": names})
    if not cache.exists() or str(np.load(cache).get("made_of")) != made_of:
        audio, cost = [], []
        with RenderPool(_render(arguments), 1) as pool:
            for file in files:
                job = RenderJob(read_json(file), (48,))
                pool.render(job)
                began = time.perf_counter()
                audio.append(pool.render(job).audio[0])
                cost.append(time.perf_counter() - began)
        audio = np.stack(audio)
        np.savez(cache, audio=audio, cost=cost, made_of=made_of)
    stored = np.load(cache)
    audio, chosen = stored["audio"], np.sort(np.argsort(stored["cost"])[: arguments.cheapest])
    authors = [file.relative_to(arguments.presets).parts[0] for file in files]
    spread = chosen[np.linspace(0, len(chosen) - 1, min(arguments.targets, len(chosen))).astype(int)]
    if arguments.names:
        stems, named = [file.stem for file in files], arguments.names.split(",")
        if unknown := set(named) - set(stems):
            raise SystemExit(f"--names: {', '.join(sorted(unknown))} not found in {arguments.presets}")
        spread = [stems.index(name) for name in named]
    found = []
    for i in spread:
        others = [j for j in chosen if authors[j] != authors[i]]
        distances = np.asarray(mss(audio[others], audio[i])) if others else []
        nearest = files[others[int(np.nanargmin(distances))]] if others else None  # with few presets, of one author
        found.append({"name": str(files[i].stem), "file": files[i], "audio": audio[i], "nearest": nearest})
    return found


def _render(arguments):
    from vjax.engine.config import RenderConfig

    return RenderConfig(seconds=arguments.seconds, note_s=0.75 * arguments.seconds)


def _start(arguments, kind: str, target: dict):
    from vjax.search.space import make_space
    from vjax.vital.preset import read_preset

    if kind == "nearest":
        return read_preset(target["nearest"])
    if kind == "perturbed":
        space = make_space(read_preset(target["file"]))
        rng = np.random.default_rng(sum(target["name"].encode()))
        return space.to_preset(space.origin + rng.normal(0, 0.1, space.size))
    predictor, vocabulary = _predictor(arguments.checkpoint)
    from vjax.inference.presets import export_preset

    return export_preset(predictor.predict(target["audio"]), predictor.schema, vocabulary, target["name"])


@functools.cache
def _predictor(checkpoint: str):
    from vjax.inference.predict import Predictor

    predictor = Predictor.from_checkpoint(checkpoint, batch_size=1)
    return predictor, predictor.vocabulary


def _run(arguments, kind: str, strategy: str, name: str, targets: list[dict], log: Path) -> None:
    from vjax.audio.files import AudioError
    from vjax.engine.pool import RenderPool
    from vjax.matching.choose import rank
    from vjax.search.candidate import Candidate
    from vjax.search.objective import ObjectiveConfig
    from vjax.search.refine import refine
    from vjax.search.refine_config import RefineConfig
    from vjax.search.strategy import StrategyConfig
    from vjax.search.target import RefineTarget

    wanted = []
    for target in targets:
        try:
            preset = _start(arguments, kind, target)
        except AudioError as error:  # the network cannot estimate a silent sound
            print(f"{name} {kind}: {target['name']} is left out: {error}")
            continue
        wanted.append(RefineTarget(target["name"], target["audio"], 48, (Candidate(kind, preset),)))
    weights = dict(pair.split("=") for pair in arguments.objective.split(",") if pair)
    objective = ObjectiveConfig(**{term: float(weight) for term, weight in weights.items()})
    began = time.perf_counter()
    if strategy == "pycma":
        results = _pycma(wanted, arguments, objective)
    else:
        settings = StrategyConfig(strategy, population=arguments.population, sigma=arguments.sigma)
        config = RefineConfig(
            evals=arguments.evals,
            strategy=settings,
            objective=objective,
            patience=arguments.patience,
            parallel=arguments.parallel,
        )
        with RenderPool(_render(arguments)) as pool:
            results = list(refine(rank(wanted, config, pool), config, _render(arguments), pool=pool))
    for refined in results:
        if refined.error:
            print(f"{name} {kind}: {refined.error}")
            continue
        row = {"start": kind, "strategy": name, "target": refined.name, "evals": refined.evals}
        row |= {"trace": refined.trace, "dimensions": refined.dimensions, "restarts": refined.restarts}
        row |= {"before": refined.before.distances, "after": refined.after.distances}
        row |= {"loss_before": refined.before.loss, "loss_after": refined.after.loss}
        append_line(log, row, allow_nan=True)
        print(
            f"{name:12} {kind:10} {refined.name:30} {refined.before.loss:.3f} -> {refined.after.loss:.3f}", flush=True
        )
    print(f"{name} {kind}: {time.perf_counter() - began:.0f} s for {len(wanted)} targets", flush=True)


def _pycma(targets, arguments, objective_config):
    """pycma with its own population size and defaults, candidates clipped to be played; scored as `refine` scores."""
    import cma

    from vjax.engine.live import LivePool, Variation
    from vjax.engine.pool import RenderPool
    from vjax.matching.choose import rank
    from vjax.search.candidate import Candidate
    from vjax.search.evolution import Found
    from vjax.search.judge import Judge
    from vjax.search.objective import Objective
    from vjax.search.refine import Refined
    from vjax.search.refine_config import RefineConfig
    from vjax.search.space import first_steps, make_space
    from vjax.vital.level import level_range_db, with_gain

    render = _render(arguments)
    objective = Objective(objective_config, 1, 4, render.samples, render.sample_rate)

    with RenderPool(render) as fresh, LivePool(render, None, 2) as live:
        judge = Judge(objective, fresh)
        for target in targets:
            objective.set_target(0, target.audio)
            # At the target's level, as `refine` begins.
            (ranked,) = rank([target], RefineConfig(evals=1), fresh)
            first = ranked.ranking.candidates[0]
            space = make_space(first.preset)
            live.load(target.name, first.preset.to_json(), target.note)
            options = {"verbose": -9, "seed": 1, "CMA_stds": first_steps(space, arguments.sigma)}
            evolution = cma.CMAEvolutionStrategy(space.origin, 1.0, options)
            evals, best, trace = 1, [Found(first.loss, "start", space.preset, space)], [(1, first.loss)]
            while evals < arguments.evals:
                candidates = evolution.ask()
                losses, gains = np.full((2, len(candidates)), np.nan)
                n = min(len(candidates), arguments.evals - evals)
                variations = [Variation(target.name, space.values(x)) for x in candidates[:n]]
                rendered = [(i, r.audio[0]) for i, r in live.render(variations) if r.audio is not None]
                for chunk in (rendered[k : k + 4] for k in range(0, len(rendered), 4)):
                    at = [i for i, _ in chunk]
                    ranges = np.array([level_range_db(space.preset)] * len(chunk))
                    sounds = np.stack([audio for _, audio in chunk])
                    losses[at], gains[at] = objective.levelled(sounds, [0] * len(chunk), ranges)
                evals += n
                i = int(np.nanargmin(losses))
                better = with_gain(space.to_preset(candidates[i]), gains[i])
                best.append(Found(float(losses[i]), "start", better, space))
                best = sorted(best, key=lambda one: one.loss)[:3]
                trace.append((evals, float(best[0].loss)))
                if n == len(candidates):
                    evolution.tell(candidates, np.where(np.isnan(losses), 1e3, losses).tolist())
            candidates = [target.candidates[0], *(Candidate(found.label, found.preset) for found in best)]
            before, after = judge.best(candidates, target, 0)
            live.unload(target.name)
            yield Refined(target.name, after.preset, "start", before, after, tuple(trace), {}, evals, 0.0, space.size)


def _lines(log: Path) -> list[dict]:
    """The last row of each search. A row of a larger budget follows that of a smaller one."""
    return list({(row["start"], row["strategy"], row["target"]): row for row in read_lines(log)}.values())


def _table(arguments, runs: list[dict]) -> None:
    """Medians over targets of best loss / first loss, for each start and strategy, at each budget."""
    budgets = [int(text) for text in arguments.at.split(",")]
    columns = [f"loss@{budget}" for budget in budgets]
    print(
        f"{'start':11} {'strategy':22} {'n':>3} {'first':>7} "
        + " ".join(f"{c:>10}" for c in columns)
        + "  MSS before -> after"
    )
    table = []
    for kind in sorted({run["start"] for run in runs}):
        for strategy in sorted({run["strategy"] for run in runs if run["start"] == kind}):
            matching = [run for run in runs if run["start"] == kind and run["strategy"] == strategy]
            entry = {"start": kind, "strategy": strategy, "n": len(matching)}
            entry["first"] = float(np.median([run["trace"][0][1] for run in matching]))
            for budget, column in zip(budgets, columns, strict=True):
                reached = [r for r in matching if r["evals"] >= budget]
                losses = [min(loss for evals, loss in r["trace"] if evals <= budget) for r in reached]
                entry[column] = float(np.median(losses)) if losses else None
            for when in ("before", "after"):
                entry[f"mss_{when}"] = float(np.nanmedian([run[when]["mss"] for run in matching]))
            shown = " ".join("         -" if entry[c] is None else f"{entry[c]:10.3f}" for c in columns)
            mss = f"{entry['mss_before']:6.2f} -> {entry['mss_after']:.2f}"
            print(f"{kind:11} {strategy:22} {len(matching):3} {entry['first']:7.3f} {shown}  {mss}")
            table.append(entry)
    if arguments.json:
        arguments.json.write_text(json.dumps({"ratio": _ratio(runs, budgets), "rows": table}, indent=1))


def _ratio(runs: list[dict], budgets: list[int]) -> float | None:
    from vjax.search.strategy import StrategyConfig

    by = {(r["strategy"], r["start"], r["target"]): r for r in runs}
    pairs = [(r, by.get(("pycma", *key[1:]))) for key, r in by.items() if key[0] == StrategyConfig().name]
    for budget in sorted(budgets, reverse=True):
        both = [pair for pair in pairs if pair[1] and min(r["evals"] for r in pair) >= budget]
        if both:
            losses = [[min(loss for n, loss in r["trace"] if n <= budget) for r in pair] for pair in both]
            return float(np.median([loss / peer_loss for loss, peer_loss in losses]))
    return None


if __name__ == "__main__":
    main()
