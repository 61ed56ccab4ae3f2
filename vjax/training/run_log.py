"""What a run writes to its logs: values of steps and validations, which must be finite, and its start."""

import math
from collections.abc import Sequence
from typing import Any

import jax

from vjax.training.config import Config
from vjax.training.mean import Mean
from vjax.training.metrics import knob_errors
from vjax.training.run_progress import RunProgress, count_stale
from vjax.training.step import validation_summary
from vjax.training.writer import Writer

TRAIN_VALUES = ("loss", "cont_loss", "cat_loss", "mod_loss", "posterior_loss", "gradient_norm")
VALIDATION_VALUES = (
    "loss", "cont_loss", "cat_loss", "mod_loss", "posterior_loss", "continuous_mae", "categorical_accuracy", "mod_f1"
)  # fmt: skip
"""The values of a step, and of a validation, in train.log."""


_REMEDY = (
    "this state was not saved. Continue from the last checkpoint with a lower --config.optimizer.learning_rate, or "
    "check the data with `vjax inspect`"
)


class NonFiniteLossError(RuntimeError):
    """A loss or gradient is not finite. The message states which, and at which step."""


def announce(writer, info, tier, rows, parameters, mesh, first_step, total_steps, changes) -> None:
    parts = ", ".join(f"{name} {count:,}" for name, count in parameters.items() if name != "total")
    writer.line(
        f"data: {info.n} rows, tier {tier}, routes {info.modulation}; {rows['train']} for training, {rows['val']} for "
        "validation"
    )
    devices = f"{mesh.size} {jax.devices()[0].platform} device(s) of {jax.process_count()} process(es)"
    writer.line(f"model: {parameters['total']:,} parameters ({parts}); {devices}")
    writer.line(f"steps: {first_step} of {total_steps} done" if first_step else f"steps: {total_steps}")
    if changes:
        writer.line(f"changed since the checkpoint: {'; '.join(changes)}")
    if first_step and first_step >= total_steps:
        writer.line("all steps are done; raise --config.train.epochs to continue")


def listed(values: dict[str, float], names: Sequence[str]) -> str:
    return ", ".join(f"{name} {values[name]:.4f}" for name in names if name in values)


def log_step(writer: Writer, config: Config, step: int, metrics: dict[str, jax.Array]) -> dict[str, float]:
    """Fetches a step's values and checks them. Logs them every `log_every` steps."""
    values = {name: float(value) for name, value in jax.device_get(metrics).items()}
    not_finite = {name: value for name, value in values.items() if not math.isfinite(value)}
    if not_finite:
        raise NonFiniteLossError(f"step {step}: {not_finite} (all: {values}); {_REMEDY}")
    if step % config.train.log_every == 0:
        writer.scalars("train", values, step)
        writer.line(f"step {step}: {listed(values, TRAIN_VALUES)}", echo=False)
    return values


def record_validation(
    writer: Writer,
    progress: RunProgress,
    meta: dict[str, Any],
    validated: dict[str, Mean],
    config: Config,
    step: int,
    epoch: int,
) -> None:
    """Stores the values of a validation in `progress`, `meta` and the log. Raises NonFiniteLossError."""
    progress.val = validation_summary(validated, config.loss, config.posterior.weight)
    meta["knob_error_norm"] = knob_errors(validated)
    if not math.isfinite(progress.val["loss"]):
        raise NonFiniteLossError(f"validation after step {step}: {progress.val}; {_REMEDY}")
    writer.scalars("val", progress.val, step)
    count_stale(progress)
    best = f"best loss {progress.best_val_loss:.4f}"
    writer.line(f"validation after epoch {epoch}, step {step}: {listed(progress.val, VALIDATION_VALUES)}; {best}")
