"""One training step and one validation step: pure functions of a state and a batch, jitted over a `data` mesh axis.

The batch is split over the devices. Each device has the whole state, and XLA sums the gradients. Batch norm uses the
statistics of the whole batch, so one device and eight devices compute the same.
"""

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.experimental import multihost_utils
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from vjax.data.reader import Routes
from vjax.data.stream import Batch
from vjax.io.arrays import Array
from vjax.model.inverse import InverseModel, Prediction
from vjax.training.dense_routes import scatter_routes
from vjax.training.losses import LossConfig, Losses, LossMasks, LossMeans, Targets, loss_means, total_loss, weigh
from vjax.training.mean import Mean
from vjax.training.metrics import MetricLayout, batch_metrics, summarise
from vjax.training.posterior import PosteriorTask
from vjax.training.state import TrainState


@dataclasses.dataclass(frozen=True, eq=False)
class Recipe:
    """Everything about a step that does not change during training.

    Attributes:
      posterior: None for a model without one.
      disturb: changes the training batches, given a random key; None leaves them.
    """

    model: InverseModel
    optimizer: optax.GradientTransformation
    masks: LossMasks
    loss: LossConfig
    layout: MetricLayout
    steps_per_epoch: int
    posterior: PosteriorTask | None = None
    disturb: Callable[[jax.Array, Batch], Batch] | None = None


def data_mesh(devices: Sequence[Any] | None = None) -> Mesh:
    """Returns a mesh of all devices (of all hosts) along one axis, `data`."""
    devices = jax.devices() if devices is None else devices
    # Auto, because explicit axes, the default, do not support gathers and sorts over a split axis.
    return jax.make_mesh((len(devices),), ("data",), axis_types=(AxisType.Auto,), devices=devices)


def shard_batch(batch: Batch, mesh: Mesh) -> Batch:
    """Puts a process's rows on its devices, split along the batch axis. Together they are the batch of all processes.

    Raises ValueError if the rows cannot be split evenly.
    """
    rows = len(batch.valid) * jax.process_count()
    if rows % mesh.size:
        raise ValueError(f"a batch of {rows} rows does not divide over {mesh.size} devices; choose a multiple of them")
    sharding = NamedSharding(mesh, PartitionSpec("data"))
    return jax.tree.map(lambda array: jax.make_array_from_process_local_data(sharding, array), batch)


def replicate(tree: Any, mesh: Mesh) -> Any:
    """Returns a whole copy of `tree` on every device. With several processes, it is the first process's `tree`."""
    whole = NamedSharding(mesh, PartitionSpec())
    if jax.process_count() == 1:
        return jax.device_put(tree, whole)
    # Machines of different kinds may have rounded differently, and no later step would make their values equal again.
    tree = multihost_utils.broadcast_one_to_all(tree)
    return jax.tree.map(lambda leaf: jax.make_array_from_process_local_data(whole, leaf), tree)


def local_copy(tree: Any) -> Any:
    """Returns a replicated `tree` on this process's first device only. Its use does not wait for other processes."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def targets_of(batch: Batch, model: InverseModel) -> Targets:
    """Returns the true values of a batch. Sparse routes are scattered to the matrix here, on the device."""
    modulation = None
    if model.config.has_modulation:
        modulation = batch.modulation
        if isinstance(modulation, Routes):
            modulation = scatter_routes(*modulation, model.config.n_sources, model.config.n_destinations)
    return Targets(batch.continuous, batch.categorical, modulation, _routes(batch))


def _routes(batch: Batch) -> Array | Routes | None:
    """Returns the routes of a batch, whether or not the model predicts them; None if the data have none."""
    has_routes = isinstance(batch.modulation, Routes) or batch.modulation.ndim == 4
    return batch.modulation if has_routes else None


def make_train_step(recipe: Recipe) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, jax.Array]]]:
    """Returns the jitted step: (state, batch) to (state, scalars by name).

    The input state is donated: do not use it again.
    """

    @functools.partial(jax.jit, donate_argnums=0)
    def train_step(state: TrainState, batch: Batch) -> tuple[TrainState, dict[str, jax.Array]]:
        dropout_key = jax.random.fold_in(jax.random.wrap_key_data(state.key), state.step)
        if recipe.disturb is not None:
            batch = recipe.disturb(jax.random.fold_in(dropout_key, 2), batch)
        # Sparse routes stay sparse: the loss compares them with the factors of the predicted matrix.
        modulation = batch.modulation if recipe.model.config.has_modulation else None
        targets = Targets(batch.continuous, batch.categorical, modulation, _routes(batch))
        epoch = state.step // recipe.steps_per_epoch
        apply = functools.partial(recipe.model.apply, mutable=["batch_stats"], rngs={"dropout": dropout_key})

        def loss(params: Any) -> tuple[jax.Array, tuple[dict[str, jax.Array], Any]]:
            variables = {"params": params, "batch_stats": state.batch_stats}
            if recipe.posterior is None:
                prediction, updated = apply(variables, batch.mel, train=True, factored=True)
                added = {}
            else:
                noised = recipe.posterior.noised(jax.random.fold_in(dropout_key, 1), *_preset(batch))
                (prediction, estimate), updated = apply(
                    variables, batch.mel, *noised[:3], train=True, method="denoised"
                )
                added = {POSTERIOR_LOSS: recipe.posterior.loss(estimate, noised.truth, batch.valid).value()}
            options = recipe.layout.option_counts
            losses = total_loss(prediction, targets, recipe.masks, recipe.loss, epoch, options, batch.valid)
            named = _named(losses) | added
            if recipe.posterior is not None:
                named["loss"] += recipe.posterior.config.weight * added[POSTERIOR_LOSS]
            return named["loss"], (named, updated["batch_stats"])

        gradients, (losses, batch_stats) = jax.grad(loss, has_aux=True)(state.params)
        updates, opt_state = recipe.optimizer.update(gradients, state.opt_state, state.params)
        state = dataclasses.replace(
            state,
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            batch_stats=batch_stats,
            opt_state=opt_state,
        )
        return state, {**losses, "gradient_norm": optax.tree.norm(gradients)}

    return train_step


def make_eval_step(recipe: Recipe) -> Callable[[Any, Any, Batch], tuple[Prediction, dict[str, Mean]]]:
    """Returns the jitted validation step: (params, batch_stats, batch) to (prediction, metrics as (sum, count)).

    The metrics include the terms of the loss, under their names in the log. Merge the metrics of all batches. Then
    `validation_summary` computes the loss of all rows from them.
    """

    @jax.jit
    def eval_step(params: Any, batch_stats: Any, batch: Batch) -> tuple[Prediction, dict[str, Mean]]:
        variables = {"params": params, "batch_stats": batch_stats}
        prediction: Any = recipe.model.apply(variables, batch.mel)
        targets = targets_of(batch, recipe.model)
        options = recipe.layout.option_counts
        means = loss_means(prediction, targets, recipe.masks, recipe.loss, options, batch.valid)
        metrics = batch_metrics(prediction, targets, recipe.masks, recipe.layout, batch.valid)
        if recipe.posterior is not None:
            # The same noise in each validation, so that the losses of two validations can be compared.
            noised = recipe.posterior.noised(jax.random.key(0), *_preset(batch))
            shown = jnp.ones_like(noised.given)
            denoised: Any = recipe.model.apply(variables, batch.mel, *noised[:2], shown, method="denoised")
            estimate = denoised[1]
            metrics[POSTERIOR_LOSS] = recipe.posterior.loss(estimate, noised.truth, batch.valid)
        return prediction, _named(means) | metrics

    return eval_step


def validation_summary(
    metrics: Mapping[str, Mean], config: LossConfig, posterior_weight: float = 0.0
) -> dict[str, float]:
    """Converts the merged metrics of the validation steps to numbers. These include the losses, as means over all rows.

    They do not depend on the batch size. The modulation term has its full weight at every epoch. With the weight of the
    warm-up, losses of different epochs would not be comparable, and the first epoch would look best.
    """
    means = LossMeans(*(metrics[_logged(field)] for field in LossMeans._fields))
    losses = {name: float(value) for name, value in _named(weigh(means, config, jnp.inf)).items()}
    summary = losses | {name: value for name, value in summarise(metrics).items() if name not in losses}
    summary["loss"] += posterior_weight * summary.get(POSTERIOR_LOSS, 0.0)
    return summary


def _preset(batch: Batch) -> tuple[Array, Array, Routes | Array | None]:
    return batch.continuous, batch.categorical, _routes(batch)


POSTERIOR_LOSS = "posterior_loss"
"""Name of the posterior's loss in the log."""

_LOGGED_AS = {"total": "loss", "continuous": "cont_loss", "categorical": "cat_loss", "modulation": "mod_loss"}


def _logged(field: str) -> str:
    return _LOGGED_AS.get(field, f"mod_{field}_loss")


def _named(losses: Losses | LossMeans) -> dict[str, Any]:
    """Returns losses by their names in the log, which are the report's: loss, cont_loss, cat_loss, mod_loss ..."""
    return {_logged(field): value for field, value in losses._asdict().items()}
