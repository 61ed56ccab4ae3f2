"""The modulation head and its loss, with gradients: dense matrices against routes and factors, in bytes and in time.

    python benchmarks/losses.py --json out.json     # a minute on two cores

Before: the four matrices [32, 428] of every sound and the targets scattered to as many, as dense datasets still take.
Now: the head's factors against sparse routes. Both are `modulation.modulation_loss`, and both sides take turns; `ratio`
is the median of (time before / time now) at the largest batch. Bytes are XLA's own analysis of the compiled function:
`temporary` is the memory that it needs at once, `accessed` is all that it reads and writes.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
from train_step import make_recipe, random_batch


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 256])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    recipe, found = make_recipe(), {}
    print(f"{'batch':>6} {'side':8}{'ms':>9}{'temporary MB':>14}{'accessed MB':>13}{'loss':>12}")
    for rows in arguments.batch:
        found[rows] = _measure(recipe, rows, arguments.rounds)
        for side in ("before", "now"):
            row = found[rows][side]
            numbers = f"{row['ms']:9.1f}{row['temporary_mb']:14.1f}{row['accessed_mb']:13.1f}{row['loss']:12.6f}"
            print(f"{rows:6} {side:8}{numbers}", flush=True)
        print(f"{'':15}ratios: " + ", ".join(f"{name} {value:.2f}" for name, value in found[rows]["ratios"].items()))
    ratio = found[max(arguments.batch)]["ratios"]["time"]
    print(f"ratio {ratio:.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps({"ratio": ratio, "batches": found}, indent=1))


def _measure(recipe, rows: int, rounds: int) -> dict:
    """Both sides at a batch size, from the same features, weights and routes."""
    import jax
    import jax.numpy as jnp

    from vjax.model.heads import ModulationHead
    from vjax.training.dense_routes import scatter_routes
    from vjax.training.modulation import modulation_loss

    config, loss = recipe.model.config, recipe.loss
    size = config.n_sources, config.n_destinations
    head, n_features = ModulationHead(*size, config.mod_embed_dim), 8 * config.width
    features = np.random.default_rng(0).gamma(4.0, 0.1, (rows, n_features)).astype(np.float32)
    variables = jax.jit(head.init)(jax.random.key(0), features)
    routes = random_batch(recipe, rows).modulation

    def before(variables, features, routes):
        target = scatter_routes(*routes, *size)
        matrix = head.apply(variables, features).matrix()
        return modulation_loss(matrix, target, loss.modulation_pos_weight, loss.presence).total

    def now(variables, features, routes):
        scores = head.apply(variables, features)
        return modulation_loss(scores, routes, loss.modulation_pos_weight, loss.presence).total

    arrays = jax.tree.map(jnp.asarray, (variables, features, routes))
    sides, seconds, values = {}, {"before": [], "now": []}, {}
    for name, function in (("before", before), ("now", now)):
        sides[name] = jax.jit(jax.value_and_grad(function, argnums=(0, 1))).lower(*arrays).compile()
        values[name] = jax.block_until_ready(sides[name](*arrays))
    for a, b in zip(jax.tree.leaves(values["before"]), jax.tree.leaves(values["now"]), strict=True):
        # A cell whose amount is 0 but for rounding (one in 3.5 million) may get either slope of |amount|.
        assert np.linalg.norm(a - b) <= 1e-3 * np.linalg.norm(a), "both sides must return the same loss and gradients"
    for _ in range(rounds):
        for name, side in sides.items():
            began = time.perf_counter()
            jax.block_until_ready(side(*arrays))
            seconds[name].append(time.perf_counter() - began)
    found = {
        name: {
            "ms": 1e3 * float(np.median(seconds[name])),
            "temporary_mb": side.memory_analysis().temp_size_in_bytes / 1e6,
            "accessed_mb": side.cost_analysis()["bytes accessed"] / 1e6,
            "loss": float(values[name][0]),
        }
        for name, side in sides.items()
    }
    ratios = {key: found["before"][key] / found["now"][key] for key in ("temporary_mb", "accessed_mb")}
    time_ratio = float(np.median(np.array(seconds["before"]) / np.array(seconds["now"])))
    return found | {"ratios": {"time": time_ratio, **ratios}}


if __name__ == "__main__":
    main()
