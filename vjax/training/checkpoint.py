"""Saves and loads checkpoints: the latest and the best. Each folder is enough to predict, render and export anywhere.

A step's folder has three Orbax items: `variables` (params, batch_stats), `opt` (what else resuming needs) and `meta`
(JSON: everything about the data and the model that is not an array).
"""

import contextlib
import dataclasses
import json
import math
import os
from pathlib import Path
from typing import Any, NamedTuple

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

import vjax
from vjax.data.store import DatasetInfo
from vjax.io.errors import reading
from vjax.model.inverse import InverseModel, ModelConfig
from vjax.sound.schema import Schema
from vjax.training.resume import allowed_changes, refused_changes
from vjax.training.saving import CheckpointError, _drop_closed_loops, quiet, saving, tree_bytes
from vjax.training.state import TrainState

FORMAT = 1
"""Raise it when an older program can no longer read the folder."""

_ITEMS = ("variables", "opt", "meta")

_OLD_SETTINGS = (("data", "answers", "target_encoding"),)
"""(section, old name, new name) of settings that were renamed after checkpoints were written."""


class Restored(NamedTuple):
    """A checkpoint for inference.

    Attributes:
      model: built from `meta`.
      variables: {"params", "batch_stats"}.
      schema: names and ranges of the predicted parameters.
      meta: all metadata; see `make_meta`.
      step: the training step at which it was saved.
    """

    model: InverseModel
    variables: dict[str, Any]
    schema: Schema
    meta: dict[str, Any]
    step: int


_MOST_CELLS = 2**26  # of a spectrogram: days of sound


def make_meta(info: DatasetInfo, model: ModelConfig, tier: int, settings: dict[str, Any]) -> dict[str, Any]:
    """Returns the metadata of a checkpoint: the report's keys, and all else that is needed to use it without the run.

    The loop adds `rows` (by "train" and "val") and `progress`. After a validation it also adds `knob_error_norm`, see
    `metrics.knob_errors`.

    Args:
      settings: the training configuration, as JSON.
    """
    return {
        "format": FORMAT,
        "tier": tier,
        "wavetable_catalog_json": info.catalog_json,
        "wavetable_catalog_sha256": info.catalog_sha256,
        "n_mod_sources": model.n_sources,
        "n_mod_destinations": model.n_destinations,
        "mod_source_names": list(info.schema.sources),
        "mod_destination_names": list(info.schema.destinations),
        "schema": json.loads(info.schema.to_json()),
        "mel": info.mel,
        "mel_shape": list(info.mel_shape),
        "render": info.render,
        "model": dataclasses.asdict(model),
        "settings": settings,
        "versions": {"vjax": vjax.__version__, "engine": info.schema.engine, "jax": jax.__version__},
    }


class Checkpoints:
    """The checkpoints of one run. Keeps the latest and the one with the lowest validation loss.

    If several processes train together, each must make the same calls in the same order. Arrays that are the same in
    all processes are written once. Any number of processes can restore them.
    """

    def __init__(self, directory: str | Path):
        policy = checkpoint_managers.AnyPreservationPolicy(
            [
                checkpoint_managers.LatestN(1),
                checkpoint_managers.BestN(
                    get_metric_fn=lambda metrics: metrics["val_loss"],
                    reverse=True,  # lower is better
                    n=1,
                    keep_checkpoints_without_metrics=False,
                ),
            ]
        )
        options = ocp.CheckpointManagerOptions(
            preservation_policy=policy,
            best_fn=lambda metrics: metrics["val_loss"],
            best_mode="min",
            cleanup_tmp_directories=True,  # removes what a killed save left behind
            single_host_load_and_broadcast=True,  # a shared file system may show hosts different steps for a while
        )
        self._folder = Path(directory).absolute()
        self._manager = ocp.CheckpointManager(self._folder, item_names=_ITEMS, options=options)

    def __enter__(self) -> "Checkpoints":
        return self

    def __exit__(self, *_) -> None:
        with saving(self._folder):
            self._manager.close()  # waits for the last save, which runs in the background

    @property
    def latest_step(self) -> int | None:
        return self._manager.latest_step()

    def save(self, state: TrainState, meta: dict[str, Any], val_loss: float | None) -> None:
        """Saves in the background. A checkpoint with a `val_loss` can become the best; one with None cannot."""
        step = int(state.step)
        if step == self.latest_step:
            return
        arguments = ocp.args.Composite(
            variables=ocp.args.StandardSave(_variables(state)),
            opt=ocp.args.StandardSave(_optimizer(state)),
            meta=ocp.args.JsonSave(meta),
        )
        n_bytes = tree_bytes((_variables(state), _optimizer(state))) + len(json.dumps(meta))
        with saving(self._folder, n_bytes):
            if val_loss is None:
                with quiet():  # Orbax warns that this checkpoint can never be the best, as intended
                    self._manager.save(step, args=arguments)
            else:
                self._manager.save(step, args=arguments, metrics={"val_loss": val_loss})

    def restore_latest(self, like: TrainState, meta: dict[str, Any]) -> tuple[TrainState, dict[str, Any]]:
        """Returns the latest state, placed on devices like `like`, and its meta.

        Raises CheckpointError if its format is newer. Raises it also if the model, data or settings differ so that the
        run cannot be continued (`resume.refused_changes`).
        """
        step = self.latest_step
        assert step is not None, "there is a checkpoint to continue from"
        found = _read_meta(self._manager, step)
        refused = refused_changes(found, meta)
        if refused:
            changes = allowed_changes(found, meta)
            also_changed = f" (also changed: {'; '.join(changes)})" if changes else ""
            raise CheckpointError(
                f"the run in {self._manager.directory} cannot be continued with these settings: "
                f"{'; '.join(refused)}{also_changed}. Give the expected values, or choose another --workdir"
            )
        arrays = ocp.args.Composite(
            variables=ocp.args.StandardRestore(_abstract(_variables(like))),
            opt=ocp.args.StandardRestore(_abstract(_optimizer(like))),
        )
        restored = self._manager.restore(step, args=arrays)
        return TrainState(**restored["variables"], **restored["opt"]), found


def latest_meta(directory: str | Path) -> dict[str, Any] | None:
    """Returns the metadata of the latest checkpoint in a run's checkpoint folder; None if it has none."""
    if not Path(directory).is_dir():
        return None
    options = ocp.CheckpointManagerOptions(read_only=True, create=False)
    with quiet(), ocp.CheckpointManager(Path(directory).absolute(), item_names=_ITEMS, options=options) as manager:
        step = manager.latest_step()
        return None if step is None else _read_meta(manager, step)


def load_checkpoint(directory: str | Path, which: str = "best") -> Restored:
    """Reads a checkpoint folder (or a run's folder that has one in `checkpoints`) for inference.

    Args:
      which: "best" by validation loss, or "latest".

    Raises:
      CheckpointError: there is no checkpoint, it is damaged, or its format is newer.
    """
    if which not in ("best", "latest"):
        raise CheckpointError(f"which={which!r}; choose 'best' or 'latest'")
    directory = Path(directory).absolute()
    if (directory / "checkpoints").is_dir():
        directory = directory / "checkpoints"
    if not directory.is_dir():
        raise CheckpointError(
            f"there is no checkpoint folder at {directory}; give the --workdir of a training run, or 'shipped': the "
            "model that comes with vjax"
        )
    while True:
        steps = sorted(os.listdir(directory))
        try:
            return _load(directory, which)
        except (CheckpointError, OSError):
            # A run that trains beside this program may have deleted the checkpoint while it was read.
            if sorted(os.listdir(directory)) == steps:
                raise


def _load(directory: Path, which: str) -> Restored:
    options = ocp.CheckpointManagerOptions(
        best_fn=lambda metrics: metrics["val_loss"],
        best_mode="min",
        read_only=True,
        create=False,
        save_interval_steps=0,
    )
    _drop_closed_loops()
    with _usable(directory), quiet(), ocp.CheckpointManager(directory, item_names=_ITEMS, options=options) as manager:
        step = manager.latest_step()
        if step is None:
            raise CheckpointError(f"{directory} contains no finished checkpoint; train until the first one is saved")
        if which == "best" and manager.best_step() is not None:
            step = manager.best_step()
        meta = _read_meta(manager, step)
        model = InverseModel(ModelConfig(**meta["model"]))
        if math.prod(meta["mel_shape"]) > _MOST_CELLS:
            raise CheckpointError(f"{directory} is damaged: its mel_shape is {meta['mel_shape']}; get it again")
        mel = jax.ShapeDtypeStruct((1, *meta["mel_shape"]), jax.numpy.float32)
        shapes = jax.eval_shape(model.init, jax.random.key(0), mel)
        variables = manager.restore(
            step, args=ocp.args.Composite(variables=ocp.args.StandardRestore(_on_first_device(shapes)))
        )["variables"]
        return Restored(model, variables, Schema.from_json(json.dumps(meta["schema"])), meta, step)


def _usable(directory: Path) -> contextlib.AbstractContextManager[None]:
    """Raises CheckpointError if the block cannot use what the folder contains."""
    return reading(directory, CheckpointError, "get it again, or train another one")


def _read_meta(manager: ocp.CheckpointManager, step: int) -> dict[str, Any]:
    meta = manager.restore(step, args=ocp.args.Composite(meta=ocp.args.JsonRestore()))["meta"]
    if meta["format"] > FORMAT:
        raise CheckpointError(f"{manager.directory} has format {meta['format']}, newer than {FORMAT}: update vjax")
    for section, old, new in _OLD_SETTINGS:
        settings = meta["settings"].get(section, {})
        if old in settings:
            settings[new] = settings.pop(old)
    return meta


def _variables(state: TrainState) -> dict[str, Any]:
    return {"params": state.params, "batch_stats": state.batch_stats}


def _optimizer(state: TrainState) -> dict[str, Any]:
    return {"step": state.step, "opt_state": state.opt_state, "key": state.key}


def _abstract(tree: Any) -> Any:
    return jax.tree.map(ocp.utils.to_shape_dtype_struct, tree)


def _on_first_device(shapes: Any) -> Any:
    """Adds the first device to the shapes, so that a checkpoint of eight devices can be read on one."""
    sharding = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    return jax.tree.map(lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes)
