"""Metrics of predictions: errors of audible continuous parameters, accuracy of categorical parameters, routes found.

A metric is a sum and a count (`Mean`), so that batches and hosts merge exactly, even with a short last batch.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Shaped

from vjax.data.reader import Routes
from vjax.io.arrays import Array
from vjax.model.heads import RouteScores, group_logits
from vjax.model.inverse import Prediction
from vjax.sound.audibility import audible
from vjax.sound.schema import Schema
from vjax.training.losses import LossMasks, Targets, continuous_errors
from vjax.training.mean import Mean
from vjax.training.modulation import ROUTE_THRESHOLD

Total = Array | np.floating  # merged on the host, a scalar array of NumPy is a number of NumPy


class ModulationMetrics(NamedTuple):
    """Scalars; 0 if nothing was counted."""

    precision: Float[jax.Array, ""]
    recall: Float[jax.Array, ""]
    f1: Float[jax.Array, ""]
    amount_mae: Float[jax.Array, ""]


@dataclasses.dataclass(frozen=True)
class MetricLayout:
    """The static input of `batch_metrics`. It is hashable, to be closed over or passed as a static argument.

    Attributes:
      option_counts: number of options of each categorical parameter.
      modules: the module of each continuous parameter.
    """

    option_counts: tuple[int, ...]
    modules: tuple[str, ...]


def metric_layout(schema: Schema) -> MetricLayout:
    return MetricLayout(schema.option_counts, tuple(schema.module(name) for name in schema.continuous_names))


def modulation_metrics(pred: Array, target: Array, threshold: float = ROUTE_THRESHOLD) -> ModulationMetrics:
    """Returns precision, recall and F1 of routes in dense matrices [..., 4, S, D]. A route has |amount| > threshold.

    `amount_mae` is the mean |error| of the amount over the true routes, found or not.

    Raises ValueError if the shapes differ.
    """
    counts = _route_counts(pred, target, threshold, jnp.ones(pred.shape[:-3], bool))
    rates = _rates(counts["mod_hits"].sum, counts["mod_false_alarms"].sum, counts["mod_misses"].sum)
    return ModulationMetrics(*rates, counts["mod_amount_mae"].value())


def batch_metrics(
    prediction: Prediction,
    targets: Targets,
    masks: LossMasks,
    layout: MetricLayout,
    valid: Shaped[Array, " b"] | None = None,
    threshold: float = ROUTE_THRESHOLD,
) -> dict[str, Mean]:
    """Returns the metrics of one batch, as `summarise` needs them. Rows with `valid` [b] 0 do not count.

    A continuous parameter counts if its weight in the loss is not 0 and it is audible in the target. All that count
    have equal weight; importance is not used.

    - `continuous_mae`: |error| in norm units.
    - `mse/<module>`: squared error of each module.
    - `knob_mse`: squared error of each continuous parameter, [n_continuous].
    - `categorical_accuracy`: share of correct options, over categorical parameters whose weight in the loss is not 0.
    - `audible_categorical_accuracy`: the same over those of them that are audible in the target.
    - `menu_options`: how often each option is the target, over the same as `categorical_accuracy`: sums
      [n_categorical, most options] and counts [n_categorical, 1]. `summarise` computes `categorical_majority` from it.
    - `mod_hits`, `mod_false_alarms`, `mod_misses`: routes per sound, only with a modulation head and target routes.
    - `mod_amount_mae`: see `modulation_metrics`, under the same condition.
    """
    rows = jnp.ones(len(targets.continuous), bool) if valid is None else valid > 0
    routes = targets.modulation if targets.routes is None else targets.routes
    is_audible = audible(masks.rules, targets.continuous, targets.categorical, routes)
    knobs = is_audible.continuous & (masks.continuous_weight > 0) & rows[:, None]
    absolute, squared = (
        continuous_errors(prediction.continuous, targets.continuous, kind) for kind in ("absolute", "squared")
    )
    metrics = {"continuous_mae": Mean.of(absolute, knobs)}

    # First per parameter, then per module: the batch is read once, for any number of modules.
    squared = jnp.sum(jnp.where(knobs, squared, 0.0), axis=0)
    counted = jnp.sum(knobs, axis=0, dtype=jnp.float32)
    metrics["knob_mse"] = Mean(squared, counted)
    modules = sorted(set(layout.modules))
    module_of = np.array([modules.index(module) for module in layout.modules])
    sums = (jnp.unstack(jax.ops.segment_sum(x, module_of, len(modules))) for x in (squared, counted))
    metrics |= {f"mse/{module}": Mean(*mean) for module, *mean in zip(modules, *sums, strict=True)}

    menus = jnp.broadcast_to((masks.categorical_weight > 0) & rows[:, None], targets.categorical.shape)
    chosen = jnp.zeros_like(targets.categorical)
    for positions, logits in group_logits(prediction.categorical_logits, layout.option_counts):
        chosen = chosen.at[:, positions].set(jnp.argmax(logits, axis=-1).astype(chosen.dtype))
    correct = jnp.float32(chosen == targets.categorical)
    metrics["categorical_accuracy"] = Mean.of(correct, menus)
    options = jnp.arange(max(layout.option_counts))
    chosen_options = (targets.categorical[..., None] == options) & menus[..., None]
    metrics["menu_options"] = Mean(
        jnp.sum(chosen_options, axis=0, dtype=jnp.float32), jnp.sum(menus, axis=0, dtype=jnp.float32)[:, None]
    )
    metrics["audible_categorical_accuracy"] = Mean.of(correct, menus & is_audible.categorical)

    predicted, true = prediction.modulation, targets.modulation
    if predicted is not None and true is not None:
        assert not isinstance(predicted, RouteScores), "metrics need the whole predicted matrix"
        assert not isinstance(true, Routes), "metrics need the whole true matrix"
        metrics |= _route_counts(predicted, true, threshold, rows)
    return metrics


def merge_metrics(a: Mapping[str, Mean], b: Mapping[str, Mean]) -> dict[str, Mean]:
    """Merges the metrics of two batches. Raises ValueError if they are not the same metrics."""
    if a.keys() != b.keys():
        raise ValueError(f"only one of two batches measures {sorted(a.keys() ^ b.keys())}; merge batches of one model")
    return {name: mean.merge(b[name]) for name, mean in a.items()}


def summarise(metrics: Mapping[str, Mean]) -> dict[str, float]:
    """Converts merged metrics to numbers. Computes `mod_precision`, `mod_recall` and `mod_f1` from the totals.

    A metric that counted nothing is left out: a module that is never on has no error. A rate over no routes is 0. The
    vector `knob_mse` is left out too: see `knob_errors`.

    `categorical_majority` is the accuracy of a constant prediction: for each parameter, the most frequent option. It is
    computed over the parameters and rows of `categorical_accuracy`. The frequencies are those of the same rows, so no
    constant prediction is more accurate.
    """
    summary = {name: float(m.value()) for name, m in metrics.items() if jnp.ndim(m.count) == 0 and m.count > 0}
    if "menu_options" in metrics:
        chosen, counted = (np.asarray(array) for array in metrics["menu_options"])
        if counted.any():
            summary["categorical_majority"] = float(chosen.max(-1).sum() / counted.sum())
    if "mod_hits" in metrics:
        totals = (metrics[name].sum for name in ("mod_hits", "mod_false_alarms", "mod_misses"))
        rates = (float(rate) for rate in _rates(*totals))
        summary |= dict(zip(("mod_precision", "mod_recall", "mod_f1"), rates, strict=True))
    return summary


def knob_errors(metrics: Mapping[str, Mean]) -> list[float | None]:
    """Returns the root mean square error of each continuous parameter in norm units, over sounds in which it counts.

    It is None if the parameter counts in no sound. Refinement derives its first step sizes from it
    (`vjax.search.space`).
    """
    squared, counted = np.asarray(metrics["knob_mse"].sum), np.asarray(metrics["knob_mse"].count)
    return [float(np.sqrt(s / n)) if n else None for s, n in zip(squared, counted, strict=True)]


def _route_counts(pred: Array, target: Array, threshold: float, rows: Array) -> dict[str, Mean]:
    """Counts found, false and missed routes in the matrices whose `rows` [...] is True, and the error of amounts."""
    if pred.shape != target.shape:
        raise ValueError(f"the predicted matrices have shape {pred.shape}, the true ones {target.shape}")
    pred, target = pred[..., 0, :, :], target[..., 0, :, :]
    real = rows[..., None, None]
    found, true = (jnp.abs(pred) > threshold) & real, (jnp.abs(target) > threshold) & real

    def total(cells):
        return Mean(jnp.sum(cells, dtype=jnp.float32), jnp.sum(rows, dtype=jnp.float32))

    return {
        "mod_hits": total(found & true),
        "mod_false_alarms": total(found & ~true),
        "mod_misses": total(true & ~found),
        "mod_amount_mae": Mean.of(jnp.abs(pred - target), true),
    }


def _rates(hits: Total, false_alarms: Total, misses: Total) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Returns precision, recall and F1; a rate over nothing is 0."""
    return (
        _ratio(hits, hits + false_alarms),
        _ratio(hits, hits + misses),
        _ratio(2 * hits, 2 * hits + false_alarms + misses),
    )


def _ratio(part: Total, whole: Total) -> jax.Array:
    return jnp.asarray(part / jnp.where(whole > 0, whole, 1))
