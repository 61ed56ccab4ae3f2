"""The training loop: data, model, optimiser, restore, steps, end - in that order.

Several processes can run it together, see `hosts`. Every number that decides the next action is the same in all.
"""

import contextlib
import dataclasses
import functools
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from vjax.data.generate import generate
from vjax.data.reader import Reader, encoded
from vjax.data.store import DatasetInfo, open_dataset
from vjax.data.stream import split
from vjax.io.json_files import write_json
from vjax.io.progress import progress_bar
from vjax.model.inverse import InverseModel, Prediction, model_config, parameter_counts
from vjax.training import hosts
from vjax.training.checkpoint import Checkpoints, latest_meta, make_meta
from vjax.training.config import Config, as_json, check_data_size
from vjax.training.disturb import disturb
from vjax.training.feed import eval_feed, train_feed
from vjax.training.losses import loss_masks
from vjax.training.mean import Mean
from vjax.training.metrics import merge_metrics, metric_layout
from vjax.training.posterior import PosteriorTask, model_fields
from vjax.training.resume import allowed_changes
from vjax.training.run_log import announce, log_step, record_validation
from vjax.training.run_progress import RunProgress, is_exhausted, show_progress
from vjax.training.state import TrainState, create_state, make_optimizer
from vjax.training.step import (
    Recipe,
    data_mesh,
    local_copy,
    make_eval_step,
    make_train_step,
    replicate,
)
from vjax.training.writer import Writer


class Snapshot(NamedTuple):
    """The state of a run that an evaluator gets.

    Attributes:
      info, reader, train_rows, val_rows: the data.
      predict: maps rows of the dataset to a `Prediction` of NumPy arrays, with the current weights.
      step, epoch: number of batches and of whole epochs done.
      last: whether training ends here.
    """

    info: DatasetInfo
    reader: Reader
    train_rows: np.ndarray
    val_rows: np.ndarray
    predict: Callable[[np.ndarray], Prediction]
    step: int
    epoch: int
    last: bool


Evaluator = Callable[[Snapshot, Writer, Path], dict[str, Any]]
"""Called by the first process after a validation, with a folder to write to. The last result goes into summary.json."""


def train(config: Config, workdir: str | Path, evaluators: Sequence[Evaluator] = ()) -> dict[str, Any]:
    """Trains until the last epoch, or until the validation loss stops improving. Continues a run found in `workdir`.

    Args:
      config: the run.
      workdir: gets `data/` (if the run renders its own), `checkpoints/`, `tensorboard/`, `config.json` (the settings of
        the latest start), `train.log` (settings that were changed, losses, validations) and `summary.json`. Processes
        that train together share it.
      evaluators: called in order after a validation, see `Evaluator`.

    Returns:
      The content of summary.json: steps, final losses by name, parameter counts, seconds, samples per second. Only the
      first process returns the results of the evaluators too.

    Raises:
      NonFiniteLossError: a loss or the gradient is not finite.
      DatasetError, CheckpointError, ValueError: data, checkpoint or configuration that cannot be used.
    """
    started = time.perf_counter()
    workdir = Path(workdir)

    # Data
    check_data_size(config)
    hosts.on_leader("data", lambda: _prepare(config, workdir))
    if not workdir.is_dir():
        raise ValueError(
            f"process 0 made {workdir}, but process {jax.process_index()} does not find it; choose a --workdir that "
            "all hosts share"
        )
    info = open_dataset(config.data.path or workdir / "data", config.data.wavetable_catalog)
    leader = hosts.is_leader()
    tier = config.tier or info.tier
    info, reader = encoded(info) if config.data.target_encoding else (info, Reader(info))
    train_rows, val_rows = split(reader, config.data.val_fraction, config.seed)
    batch_size = config.train.batch_size
    steps_per_epoch = max(len(train_rows) // batch_size, 1)
    total_steps = config.train.epochs * steps_per_epoch

    # Model and optimiser
    # A modulation head that no loss trains would predict random routes.
    has_modulation = info.modulation != "none" and config.loss.modulation_weight > 0
    stored = latest_meta(workdir / "checkpoints")
    posterior = model_fields(config.posterior, reader, train_rows, has_modulation, stored)
    model = InverseModel(model_config(info.schema, has_modulation, **dataclasses.asdict(config.model), **posterior))
    optimizer = make_optimizer(config.optimizer, total_steps)
    mesh = data_mesh()
    state = create_state(model, optimizer, config.seed, info.mel_shape)
    hosts.wait_for_all("first collective")  # a host may have taken long to compile
    state = replicate(state, mesh)
    masks = loss_masks(info.schema, tier, info.importance)
    task = PosteriorTask(info.schema, masks.rules, model, config.posterior) if posterior else None
    disturber = functools.partial(disturb, config=config.disturb, schema=info.schema)
    recipe = Recipe(
        model,
        optimizer,
        masks,
        config.loss,
        metric_layout(info.schema),
        steps_per_epoch,
        task,
        None if config.disturb.changes_nothing else disturber,
    )
    train_step, eval_step, apply = make_train_step(recipe), make_eval_step(recipe), jax.jit(model.apply)
    meta = make_meta(info, model.config, tier, as_json(config)) | {"knob_error_norm": None}
    meta["rows"] = {"train": len(train_rows), "val": len(val_rows)}

    with Checkpoints(workdir / "checkpoints") as checkpoints:
        # Restore
        progress, changes = RunProgress(), []
        if checkpoints.latest_step is not None:
            state, restored = checkpoints.restore_latest(state, meta)
            progress = RunProgress(**restored["progress"])
            meta["knob_error_norm"] = restored.get("knob_error_norm")
            changes = allowed_changes(restored, meta)
        first_step = int(state.step)
        parameters = parameter_counts(state.params)
        if leader:
            write_json(workdir / "config.json", as_json(config))

        # Steps
        stopped_early = is_exhausted(config, progress)
        paused_s = 0.0  # time spent on validation and evaluation, not on steps
        take_snapshot = functools.partial(_snapshot, info, reader, train_rows, val_rows, steps_per_epoch, apply)
        batches = train_feed(reader, train_rows, config, first_step, mesh)
        next_step = first_step + 1 if first_step else 0
        with contextlib.ExitStack() as stack:
            writer = stack.enter_context(Writer(workdir / "tensorboard", next_step, leader, workdir / "train.log"))
            stack.enter_context(contextlib.closing(batches))
            announce(writer, info, tier, meta["rows"], parameters, mesh, first_step, total_steps, changes)
            bar = stack.enter_context(
                progress_bar(total=total_steps, initial=first_step, desc="training", unit="step", disable=not leader)
            )
            writer.text("config", f"```\n{json.dumps(as_json(config), indent=1)}\n```", first_step)
            pending: tuple[int, dict[str, jax.Array]] | None = None
            step = first_step
            loop_started = time.perf_counter()
            while step < total_steps and not stopped_early:
                state, metrics = train_step(state, next(batches))
                step += 1
                # The values of the previous step are ready while this step runs, so reading them does not stall it.
                if pending:
                    progress.train = log_step(writer, config, *pending)
                pending = (step, metrics)
                show_progress(bar, step - first_step, batch_size, loop_started, paused_s, progress)

                epoch, rest = divmod(step, steps_per_epoch)
                if rest == 0 and (epoch % config.train.eval_every == 0 or step == total_steps):
                    progress.train, pending = log_step(writer, config, *pending), None
                    validation_started = time.perf_counter()
                    validated = _validate(eval_step, state, reader, val_rows, batch_size, mesh)
                    record_validation(writer, progress, meta, validated, config, step, epoch)
                    stopped_early = is_exhausted(config, progress)
                    checkpoints.save(state, {**meta, "progress": dataclasses.asdict(progress)}, progress.val["loss"])
                    last = step == total_steps or stopped_early
                    if not last and config.train.listen_every and epoch % config.train.listen_every == 0:
                        _evaluate(evaluators, take_snapshot(state, step, last=False), writer, workdir)
                    paused_s += time.perf_counter() - validation_started
                elif step % config.train.checkpoint_every == 0:
                    progress.train, pending = log_step(writer, config, *pending), None
                    checkpoints.save(state, {**meta, "progress": dataclasses.asdict(progress)}, None)
            loop_s = time.perf_counter() - loop_started - paused_s
            if not progress.val:  # continued before its first validation, with fewer epochs than it had done
                validated = _validate(eval_step, state, reader, val_rows, batch_size, mesh)
                record_validation(writer, progress, meta, validated, config, step, step // steps_per_epoch)
            # Evaluates also if the run had already ended, because it may have been killed during the last evaluation.
            results = _evaluate(evaluators, take_snapshot(state, step, last=True), writer, workdir)

    # End
    done = step - first_step
    summary = {
        "steps": step,
        "epochs": step // steps_per_epoch,
        "stopped_early": stopped_early,
        "tier": tier,
        "train": progress.train,
        "val": progress.val,
        "best_val_loss": progress.best_val_loss,
        "parameters": parameters,
        "rows": meta["rows"],
        "devices": mesh.size,
        "processes": jax.process_count(),
        "seconds": round(time.perf_counter() - started, 2),
        "samples_per_second": round(done * batch_size / loop_s, 2) if done else None,
        **results,
    }
    if leader:
        write_json(workdir / "summary.json", summary, allow_nan=True)
    return summary


def _prepare(config: Config, workdir: Path) -> None:
    workdir.mkdir(parents=True, exist_ok=True)
    data = config.data
    if not data.path:
        workers, presets = data.render_workers or None, data.presets or None
        generate(config.generation, workdir / "data", data.n, config.seed, workers, presets)


def _validate(eval_step, state: TrainState, reader: Reader, rows: np.ndarray, batch_size: int, mesh) -> dict[str, Mean]:
    """The metrics of all rows, on the host.

    They are merged on the host. Between steps of several processes, many small operations on the device may deadlock on
    a CPU: they wait for threads that the step's collectives occupy. The next step runs while a batch is merged.
    """
    metrics, found = None, None
    for batch in eval_feed(reader, rows, batch_size, mesh):
        before = found
        _, found = eval_step(state.params, state.batch_stats, batch)
        if before is not None:
            metrics = _merged(metrics, before)
    assert found is not None, "there are rows to validate"
    return _merged(metrics, found)


def _merged(metrics: dict[str, Mean] | None, found: dict[str, Mean]) -> dict[str, Mean]:
    found = jax.device_get(found)
    return found if metrics is None else merge_metrics(metrics, found)


def _snapshot(
    info, reader, train_rows, val_rows, steps_per_epoch: int, apply, state: TrainState, step: int, last: bool
) -> Snapshot:
    variables = local_copy({"params": state.params, "batch_stats": state.batch_stats})

    def predict(rows: np.ndarray) -> Prediction:
        mel = np.stack([reader[row].mel for row in rows])
        return jax.device_get(apply(variables, mel))

    return Snapshot(info, reader, train_rows, val_rows, predict, step, step // steps_per_epoch, last)


def _evaluate(evaluators: Sequence[Evaluator], snapshot: Snapshot, writer: Writer, workdir: Path) -> dict[str, Any]:
    def evaluate() -> dict[str, Any]:
        results: dict[str, Any] = {}
        for evaluator in evaluators:
            results |= evaluator(snapshot, writer, workdir)
        writer.flush()
        return results

    return hosts.on_leader(f"evaluation {snapshot.step}", evaluate) or {}
