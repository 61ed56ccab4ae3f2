"""Measures how time grows with size: of generation, training, inference and refinement.

    python benchmarks/curves.py --plot curves.png --json curves.json

Each curve is timed at doubling sizes, all of them once a round, `--rounds` times; medians are kept. A line a + b x is
fitted to them (least squares of relative errors): `a` is the fixed time of a job, `b` the time of a unit. Time is
called linear from x = 9 a / b on, where `a` is a tenth of it. `ratio` is the share of the units' time at a curve's end,
b x / t(x), the smallest of all curves: 1 if all curves end in their linear part. Everything is compiled before it is
timed; benchmarks/startup.py measures compilation. Sounds last `--seconds`.
"""

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

PRESETS = Path(__file__).parents[1] / "tests" / "data" / "presets"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CURVES), help="curves, of %(default)s")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=0.5, help="length of the sounds")
    parser.add_argument("--width", type=int, default=64, help="channels of the model's first stage")
    parser.add_argument("--plot", type=Path, help="write a plot to this file")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    unknown = set(arguments.only.split(",")) - CURVES.keys()
    if unknown:
        parser.error(f"there is no curve {min(unknown)!r}; choose from {', '.join(CURVES)}")
    found = {}
    print(f"{'curve':24} {'unit':12} {'a, s':>9} {'b, s/unit':>10} {'linear from':>12}   seconds at each size")
    for name in arguments.only.split(","):
        unit, sizes, make = CURVES[name]
        found[name] = {"unit": unit, **_curve(make(arguments), sizes, arguments.rounds)}
        curve = found[name]
        points = ", ".join(f"{x}: {t:.3g}" for x, t in zip(curve["sizes"], curve["seconds"], strict=True))
        line = f"{curve['fixed_s']:9.3f} {curve['unit_s']:10.4f} {curve['linear_from']:12.1f}"
        print(f"{name:24} {unit:12} {line}   {points}", flush=True)
    ratio = min(curve["linear_share"] for curve in found.values())
    print(f"ratio {ratio:.3f}: share of the units' time at the largest size, the smallest of all curves")
    if arguments.plot:
        _plot(found, arguments.plot)
    if arguments.json:
        arguments.json.write_text(json.dumps({"ratio": ratio, "curves": found}, indent=1))


def _curve(work: Callable[[int], None], sizes: tuple[int, ...], rounds: int) -> dict:
    """Medians of `rounds` timings of `work(size)`, sizes in turn, and the line through them."""
    for size in sizes:
        work(size)
    timings = np.zeros((rounds, len(sizes)))
    for row in timings:
        for i, size in enumerate(sizes):
            began = time.perf_counter()
            work(size)
            row[i] = time.perf_counter() - began
    seconds, x = np.median(timings, axis=0), np.asarray(sizes, float)
    fixed_s, unit_s = np.linalg.lstsq(np.stack([1 / seconds, x / seconds], 1), np.ones(len(x)), rcond=None)[0]
    fixed_s = max(float(fixed_s), 0.0)
    return {
        "sizes": list(sizes),
        "seconds": seconds.tolist(),
        "fixed_s": fixed_s,
        "unit_s": float(unit_s),
        "linear_from": 9 * fixed_s / float(unit_s),
        "linear_share": float(unit_s * x[-1] / (fixed_s + unit_s * x[-1])),
    }


def _generation(arguments) -> Callable[[int], None]:
    """`generate` into an empty folder: sampling, rendering, features and HDF5."""
    from vjax.data.generate import GenerationConfig, generate

    config = GenerationConfig(render=_render(arguments), notes=(48,), presets_per_shard=32)

    def work(n: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            generate(config, folder, n, progress=False)

    return work


def _training(arguments) -> Callable[[int], None]:
    """One step of the tier-3 model on a batch that is on the device already; mel 128 x 173."""
    import jax

    from vjax.data.reader import Routes
    from vjax.data.stream import Batch
    from vjax.sound.routes import N_SLOTS
    from vjax.training.losses import LossConfig, loss_masks
    from vjax.training.metrics import metric_layout
    from vjax.training.state import OptimizerConfig, create_state, make_optimizer
    from vjax.training.step import Recipe, make_train_step

    schema, model = _model(arguments)
    optimizer = make_optimizer(OptimizerConfig(), 1000)
    recipe = Recipe(model, optimizer, loss_masks(schema, 3), LossConfig(), metric_layout(schema), 100)
    step, states, batches = make_train_step(recipe), {}, {}

    def work(n: int) -> None:
        if n not in states:
            rng, rows = np.random.default_rng(0), schema.default_parameters()
            batches[n] = jax.device_put(
                Batch(
                    mel=rng.random((n, 1, 128, 173), np.float32),
                    continuous=rng.random((n, len(schema.continuous)), np.float32),
                    categorical=np.repeat(rows.categorical[None], n, 0),
                    midi_note=np.full(n, 48, np.int32),
                    modulation=Routes(np.full((n, N_SLOTS), -1, np.int32), np.zeros((n, N_SLOTS, 4), np.float32)),
                    valid=np.ones(n, np.float32),
                )
            )
            states[n] = create_state(model, optimizer, 0, (1, 128, 173))
        states[n], metrics = step(states[n], batches[n])
        jax.block_until_ready(metrics)

    return work


def _inference(arguments) -> Callable[[int], None]:
    """Sounds in host memory to decoded predictions, in one batch."""
    from vjax.audio.mel import MelConfig
    from vjax.inference.predict import Predictor
    from vjax.training.state import OptimizerConfig, create_state, make_optimizer

    schema, model = _model(arguments)
    state = create_state(model, make_optimizer(OptimizerConfig(), 1), 0, (1, 128, 173))
    variables, meta = {"params": state.params, "batch_stats": state.batch_stats}, {"settings": {}, "tier": 3}
    samples = 172 * MelConfig().hop
    sounds = np.random.default_rng(0).normal(0, 0.1, (256, samples)).astype(np.float32)

    def work(n: int) -> None:
        predictor = Predictor(model, variables, schema, meta, 0, MelConfig(), samples, None, batch_size=n)
        assert len(predictor.decode_batch(predictor.run(sounds[:n]), [str(i) for i in range(n)])) == n

    return work


def _refinement(arguments, targets: int = 0, evals: int = 0) -> Callable[[int], None]:
    """A whole refinement, with the scoring before and after it. Whichever of `targets` and `evals` is 0 is the size."""
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.matching.choose import rank
    from vjax.search.candidate import Candidate
    from vjax.search.refine import refine
    from vjax.search.refine_config import RefineConfig
    from vjax.search.target import RefineTarget
    from vjax.vital.preset import read_preset

    presets = [read_preset(path) for path in sorted(PRESETS.glob("*.vital"))]
    with RenderPool(_render(arguments)) as pool:
        audio = [rendering.audio[0] for rendering in pool.map(RenderJob(p.to_json(), (48,)) for p in presets)]

    def work(n: int) -> None:
        wanted = [
            RefineTarget(str(i), audio[i % len(audio)], 48, (Candidate("start", presets[i % len(audio) - 1]),))
            for i in range(targets or n)
        ]
        config, render = RefineConfig(evals=evals or n), _render(arguments)
        with RenderPool(render) as pool:
            for refined in refine(rank(wanted, config, pool), config, render, pool=pool):
                assert not refined.error, refined.error

    return work


def _model(arguments):
    from vjax.model.inverse import InverseModel, model_config
    from vjax.vital.default_vocabulary import default_vocabulary

    schema = default_vocabulary().schema()
    return schema, InverseModel(model_config(schema, True, width=arguments.width, kernels="fast"))


def _render(arguments):
    from vjax.engine.config import RenderConfig

    return RenderConfig(seconds=arguments.seconds, note_s=0.75 * arguments.seconds)


CURVES: dict[str, tuple[str, tuple[int, ...], Callable]] = {
    "generation": ("sound", (4, 8, 16, 32, 64), _generation),
    "training": ("row of a batch", (4, 8, 16, 32), _training),
    "inference": ("sound", (1, 4, 16, 64), _inference),
    "refinement-evaluations": ("evaluation", (17, 34, 68), lambda a: _refinement(a, targets=1)),
    "refinement-targets": ("target", (1, 2, 4), lambda a: _refinement(a, evals=17)),
}


def _plot(found: dict[str, dict], path: Path) -> None:
    """Each curve with its line, on logarithmic axes; dotted where its linear part begins."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4 * len(found), 3.4), layout="constrained")
    axes = figure.subplots(1, len(found), squeeze=False)[0]
    for axis, (name, curve) in zip(axes, found.items(), strict=True):
        x = np.geomspace(curve["sizes"][0], curve["sizes"][-1], 50)
        axis.loglog(x, curve["fixed_s"] + curve["unit_s"] * x, color="tab:gray", label="a + b x")
        axis.loglog(curve["sizes"], curve["seconds"], "o", color="tab:blue", label="measured")
        axis.axvline(max(curve["linear_from"], x[0]), linestyle=":", color="tab:red", label="linear from here")
        axis.set(title=name, xlabel=f"size ({curve['unit']})", ylabel="seconds")
    axes[0].legend()
    figure.savefig(path, dpi=100)


if __name__ == "__main__":
    main()
