"""The training step on the CPU: samples a second against a PyTorch twin of the same model, loss and optimiser.

    python benchmarks/train_step.py                     # six minutes on two cores
    python benchmarks/train_step.py --check             # only checks that both compute the same loss and gradients
    python benchmarks/train_step.py --json out.json

vjax's own jitted step (tier 3, with the modulation head and sparse routes) and benchmarks/torch_twin.py's
(channels_last, fused AdamW) alternate on one batch in memory: float32, mel 128 x 173, every core. A turn is one step
that is not timed and a few that are; the ratio is the median over rounds of (PyTorch's time / vjax's time): above 1,
vjax is faster. Huge pages help both sides, vjax more: GLIBC_TUNABLES=glibc.malloc.hugetlb=1 python ...
"""

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

MEL_SHAPE = (1, 128, 173)  # two seconds
TOTAL_STEPS = 10_000
WARMUP_SHARE = 0.0  # a warm-up from 0 would make the first step change nothing


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=3, help="timed steps of each side in a round")
    parser.add_argument("--check", action="store_true", help="compare the numbers of both sides, without timing")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import torch

    torch.set_num_threads(os.cpu_count())
    differences = compare()
    for name, (vjax_value, torch_value) in differences.items():
        print(f"{name:28} vjax {vjax_value:.7g}, PyTorch {torch_value:.7g}")
    if arguments.check:
        return
    vjax_step, torch_step = _sides(arguments.batch)
    rounds = []
    for number in range(arguments.rounds):
        rounds.append(
            {"vjax_s": _seconds(vjax_step, arguments.steps), "torch_s": _seconds(torch_step, arguments.steps)}
        )
        print(f"round {number + 1}: " + ", ".join(f"{k} {v:.3f}" for k, v in rounds[-1].items()), flush=True)
    vjax_s, torch_s = (np.array([r[side] for r in rounds]) for side in ("vjax_s", "torch_s"))
    found = {
        "ratio": float(np.median(torch_s / vjax_s)),
        "vjax_samples_per_s": arguments.batch / float(np.median(vjax_s)),
        "torch_samples_per_s": arguments.batch / float(np.median(torch_s)),
        "vjax_step_s": float(np.median(vjax_s)),
        "torch_step_s": float(np.median(torch_s)),
        "batch": arguments.batch,
        "cores": os.cpu_count(),
    }
    for name, value in found.items():
        print(f"{name:28} {value:.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found | {"rounds": rounds, "check": differences}, indent=1))


def make_recipe(**model):
    """The recipe of configs/tier3.py over the installed engine's schema; `model` are `ModelConfig` fields."""
    from vjax.model.inverse import InverseModel, model_config
    from vjax.training.losses import LossConfig, loss_masks
    from vjax.training.metrics import metric_layout
    from vjax.training.state import OptimizerConfig, make_optimizer
    from vjax.training.step import Recipe
    from vjax.vital.default_vocabulary import default_vocabulary

    schema = default_vocabulary().schema()
    return Recipe(
        model=InverseModel(model_config(schema, True, kernels="fast", **model)),
        optimizer=make_optimizer(OptimizerConfig(warmup_share=WARMUP_SHARE), TOTAL_STEPS),
        masks=loss_masks(schema, tier=3),
        loss=LossConfig(modulation_warmup_epochs=0),
        layout=metric_layout(schema),
        steps_per_epoch=1000,
    )


def random_batch(recipe, rows: int, seed: int = 0):
    """A batch of noise in the shape of sounds: as many routes as musicians' presets have, six in the mean."""
    from vjax.data.reader import Routes
    from vjax.data.stream import Batch
    from vjax.sound.routes import N_SLOTS

    rng, config = np.random.default_rng(seed), recipe.model.config
    n_menus = len(config.option_counts)
    index = np.full((rows, N_SLOTS), -1, np.int32)
    value = np.zeros((rows, N_SLOTS, 4), np.float32)
    for row, n in enumerate(rng.poisson(6, rows)):
        index[row, :n] = rng.choice(config.n_sources * config.n_destinations, n, replace=False)
        flags = rng.integers(0, 2, (2, n))
        value[row, :n] = np.stack([rng.uniform(-1, 1, n), flags[0], rng.normal(size=n), flags[1]], -1)
    return Batch(
        mel=rng.gamma(1.0, 1.0, (rows, *MEL_SHAPE)).astype(np.float32),
        continuous=rng.random((rows, config.n_continuous), np.float32),
        categorical=rng.integers(0, config.option_counts, (rows, n_menus)).astype(np.int32),
        midi_note=np.full(rows, 60, np.int32),
        modulation=Routes(index, value),
        valid=np.ones(rows, np.float32),
    )


def torch_side(recipe, params, device: str = "cpu", **options):
    """The twin with `params`, and its step (`options` are `torch_twin.make_step`'s)."""
    import torch
    import torch_twin

    from vjax.training.state import OptimizerConfig

    config = recipe.model.config
    twin = torch_twin.Twin(config)
    torch_twin.load(twin, params)
    twin = twin.to(device, memory_format=torch.channels_last)
    cells = config.n_sources, config.n_destinations
    loss = torch_twin.Loss(recipe.loss, recipe.masks, config.option_counts, *cells, device)
    optimizer = OptimizerConfig(warmup_share=WARMUP_SHARE)
    return twin, torch_twin.make_step(twin, loss, optimizer, TOTAL_STEPS, **options)


def compare(rows: int = 8) -> dict[str, tuple[float, float]]:
    """Loss and gradient norm of both sides, in the first step and after it, from the same weights without dropout.

    Raises AssertionError if the difference is larger than float32 rounding and its growth over one step.
    """
    import jax
    import torch_twin

    from vjax.training.state import create_state
    from vjax.training.step import make_train_step

    recipe = make_recipe(dropout=0.0)
    batch, state = random_batch(recipe, rows), create_state(recipe.model, recipe.optimizer, 0, MEL_SHAPE)
    # The last scale of a new network's blocks is 0, so only shortcuts have an effect. Give every weight one.
    params = jax.tree_util.tree_map_with_path(
        lambda path, leaf: leaf + 0.5 if "norm_2" in str(path) and "scale" in str(path) else leaf, state.params
    )
    state = state.replace(params=params)
    _, torch_step = torch_side(recipe, jax.device_get(params))
    vjax_step, found = make_train_step(recipe), {}
    inputs = torch_twin.torch_batch(batch, "cpu")
    for step, tolerance in enumerate((2e-5, 2e-3), start=1):
        state, metrics = vjax_step(state, batch)
        values = [float(metrics[name]) for name in ("loss", "gradient_norm")]
        for name, a, b in zip(("loss", "gradient norm"), values, map(float, torch_step(inputs)), strict=True):
            found[f"{name}, step {step}"] = (a, b)
            assert abs(a - b) <= tolerance * abs(b), f"step {step}: {name} is {a} in vjax, {b} in PyTorch"
    return found


def _sides(rows: int):
    """Two functions that take one step each and wait for it."""
    import jax
    import torch_twin

    from vjax.training.state import create_state
    from vjax.training.step import make_train_step

    recipe = make_recipe()
    batch = random_batch(recipe, rows)
    state = create_state(recipe.model, recipe.optimizer, 0, MEL_SHAPE)
    _, torch_step = torch_side(recipe, jax.device_get(state.params))
    inputs, step, on_device = torch_twin.torch_batch(batch, "cpu"), make_train_step(recipe), jax.device_put(batch)

    def vjax_step():
        nonlocal state
        state, metrics = step(state, on_device)
        jax.block_until_ready((state, metrics))

    return vjax_step, lambda: [value.item() for value in torch_step(inputs)]


def _seconds(step, n: int) -> float:
    """Seconds of one step, after one that brings its side's threads and memory back."""
    step()
    began = time.perf_counter()
    for _ in range(n):
        step()
    return (time.perf_counter() - began) / n


if __name__ == "__main__":
    main()
