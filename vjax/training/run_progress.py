"""The state of a run that counts validations, and its progress bar."""

import dataclasses
import time

from tqdm import tqdm

from vjax.training.config import Config


@dataclasses.dataclass
class RunProgress:
    """The values that resuming needs besides the arrays. The meta of each checkpoint stores them."""

    best_val_loss: float | None = None
    stale_validations: int = 0
    train: dict[str, float] = dataclasses.field(default_factory=dict)
    val: dict[str, float] = dataclasses.field(default_factory=dict)


def show_progress(
    bar: tqdm, steps: int, batch_size: int, started: float, paused_s: float, progress: RunProgress
) -> None:
    rate = steps * batch_size / max(time.perf_counter() - started - paused_s, 1e-9)
    measured = (("loss", progress.train), ("val", progress.val))
    losses = [f", {name} {values['loss']:.4f}" for name, values in measured if values]
    bar.set_postfix_str(f"{rate:.1f} samples/s{''.join(losses)}", refresh=False)
    bar.update()


def count_stale(progress: RunProgress) -> None:
    if progress.best_val_loss is None or progress.val["loss"] < progress.best_val_loss:
        progress.best_val_loss, progress.stale_validations = progress.val["loss"], 0
    else:
        progress.stale_validations += 1


def is_exhausted(config: Config, progress: RunProgress) -> bool:
    return 0 < config.train.patience <= progress.stale_validations
