"""How good a prediction is, in numbers people read: errors of audible knobs, menu accuracy, routes found.

A metric is a sum and a count (`Mean`), so that batches and hosts add up exactly, the last short batch included.
"""

import dataclasses
from collections.abc import Mapping
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.model.heads import group_logits
from vjax.model.inverse import Prediction
from vjax.sound.audibility import audible
from vjax.sound.schema import Schema
from vjax.training.losses import LossMasks, Targets, continuous_errors
from vjax.training.mean import Mean
from vjax.training.modulation import ROUTE_THRESHOLD


class ModulationMetrics(NamedTuple):
    """Scalars; 0 where nothing was counted."""

    precision: jax.Array
    recall: jax.Array
    f1: jax.Array
    amount_mae: jax.Array


@dataclasses.dataclass(frozen=True)
class MetricLayout:
    """The static side of `batch_metrics`: hashable, to be closed over or passed as a static argument.

    Attributes:
      option_counts: options of each menu.
      modules: the module of each knob.
    """

    option_counts: tuple[int, ...]
    modules: tuple[str, ...]


def metric_layout(schema: Schema) -> MetricLayout:
    return MetricLayout(schema.option_counts, tuple(schema.module(name) for name in schema.continuous_names))


def modulation_metrics(pred: jax.Array, target: jax.Array, threshold: float = ROUTE_THRESHOLD) -> ModulationMetrics:
    """Precision, recall and F1 of the routes in dense matrices [..., 4, S, D]; a route has |amount| > threshold.

    `amount_mae` is the mean |error| of the amount over the cells that truly are routes, found or not.

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
    valid: jax.Array | None = None,
    threshold: float = ROUTE_THRESHOLD,
) -> dict[str, Mean]:
    """What `summarise` needs of one batch. Rows with `valid` [b] 0 do not count.

    A knob counts if its weight in the loss is not 0 and it is audible in the target; importance does not weigh.

    - `continuous_mae`: |error| in norm units; `mse/<module>`: squared error, module by module; `knob_mse`: knob by
      knob, [n_continuous].
    - `categorical_accuracy`: menus of weight; `audible_categorical_accuracy`: those that are audible in the target.
    - `menu_options`: how often each option is the target of those menus, [n_menus, most options] of [n_menus, 1];
      `summarise` makes `categorical_majority` of it.
    - `mod_hits`, `mod_false_alarms`, `mod_misses`: routes a sound; `mod_amount_mae`: see `modulation_metrics`. Only
      with a modulation head and target routes.
    """
    rows = jnp.ones(len(targets.continuous), bool) if valid is None else valid > 0
    known = targets.modulation if targets.routes is None else targets.routes
    heard = audible(masks.rules, targets.continuous, targets.categorical, known)
    knobs = heard.continuous & (masks.continuous_weight > 0) & rows[:, None]
    absolute, squared = (
        continuous_errors(prediction.continuous, targets.continuous, kind) for kind in ("absolute", "squared")
    )
    metrics = {"continuous_mae": Mean.of(absolute, knobs)}

    # Per knob first, then per module: one pass over the batch, whatever the number of modules.
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
    metrics["audible_categorical_accuracy"] = Mean.of(correct, menus & heard.categorical)

    if prediction.modulation is not None and targets.modulation is not None:
        metrics |= _route_counts(prediction.modulation, targets.modulation, threshold, rows)
    return metrics


def merge_metrics(a: Mapping[str, Mean], b: Mapping[str, Mean]) -> dict[str, Mean]:
    """The metrics of two batches together. Raises ValueError if they do not measure the same."""
    if a.keys() != b.keys():
        raise ValueError(f"only one of two batches measures {sorted(a.keys() ^ b.keys())}; merge batches of one model")
    return {name: mean.merge(b[name]) for name, mean in a.items()}


def summarise(metrics: Mapping[str, Mean]) -> dict[str, float]:
    """Merged metrics to numbers, with `mod_precision`, `mod_recall`, `mod_f1` from the totals.

    A metric that counted nothing is left out (a module that never is on has no error); a rate of no routes is 0. What
    is a vector (`knob_mse`) is no number for people: see `knob_errors`.

    `categorical_majority` is the accuracy of always answering each menu's commonest option, over the menus and rows of
    `categorical_accuracy`. The commonest is that of these rows themselves: no constant answer scores higher.
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
    """The root mean square error of each knob in norm units, over the sounds in which it counts; None for none.

    Refinement takes its first steps that large (`vjax.search.space`).
    """
    squared, counted = np.asarray(metrics["knob_mse"].sum), np.asarray(metrics["knob_mse"].count)
    return [float(np.sqrt(s / n)) if n else None for s, n in zip(squared, counted, strict=True)]


def _route_counts(pred: jax.Array, target: jax.Array, threshold: float, rows: jax.Array) -> dict[str, Mean]:
    """Routes found, invented and missed, as totals over the matrices whose `rows` [...] is True, and their amounts."""
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


def _rates(hits: jax.Array, false_alarms: jax.Array, misses: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Precision, recall and F1; 0 for a rate of nothing."""
    return (
        _ratio(hits, hits + false_alarms),
        _ratio(hits, hits + misses),
        _ratio(2 * hits, 2 * hits + false_alarms + misses),
    )


def _ratio(part: jax.Array, whole: jax.Array) -> jax.Array:
    return part / jnp.where(whole > 0, whole, 1)
