"""What train.log contains besides the values of TensorBoard."""

from collections.abc import Sequence

import jax

TRAIN_VALUES = ("loss", "cont_loss", "cat_loss", "mod_loss", "posterior_loss", "gradient_norm")
VALIDATION_VALUES = (
    "loss", "cont_loss", "cat_loss", "mod_loss", "posterior_loss", "continuous_mae", "categorical_accuracy", "mod_f1"
)  # fmt: skip
"""The values of a step, and of a validation, in train.log."""


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
