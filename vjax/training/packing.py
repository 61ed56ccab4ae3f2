"""A checkpoint made small enough to ship: weights in bfloat16, no optimiser, nothing of the machine it was made on.

What is packed is a checkpoint folder like any other (`load_checkpoint` reads it, in float32 again), with
the bank of training sounds beside it.
"""

import dataclasses
import logging
import os
import shutil
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import orbax.checkpoint as ocp

from vjax.training.checkpoint import CheckpointError, Restored, load_checkpoint

BANK = "bank.npz"
"""Beside the steps' folders; see `vjax.candidates.bank`."""

CREDIT = "bank-credit.txt"
"""Beside the bank: whose presets it was made from, in a sentence that goes into the presets made from it."""

_PATHS = (("data", "path"), ("data", "presets"), ("data", "wavetable_catalog"))
"""Settings that name places on the machine that trained."""


@dataclasses.dataclass(frozen=True)
class Packed:
    """What was written: parameters in all, bytes on disk before and after, and whether a bank came along."""

    step: int
    parameters: int
    bytes_before: int
    bytes_after: int
    bank: bool


def pack(
    checkpoint: str | os.PathLike, out: str | os.PathLike, which: str = "best", bank: bool = True, credit: str = ""
) -> Packed:
    """Writes the packed checkpoint `out` from a run's folder.

    Args:
      which: "best" by validation loss, or "latest".
      bank: take the run's bank along, if it has one.
      credit: whose presets the bank was made from; see CREDIT. By default what the run's folder says, if anything.

    Raises:
      CheckpointError: no checkpoint there.
      ValueError: `out` holds something already.
    """
    out = Path(out)
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty; choose another --out, or remove it")
    restored = load_checkpoint(checkpoint, which)
    source = _folder(checkpoint)
    out.mkdir(parents=True, exist_ok=True)
    _write(restored, out)
    beside = source / BANK
    if bank and beside.is_file():
        shutil.copyfile(beside, out / BANK)
        if not credit and (source / CREDIT).is_file():  # a packed one is packed again
            credit = (source / CREDIT).read_text().strip()
        if credit:
            (out / CREDIT).write_text(credit + "\n")
    return Packed(
        restored.step,
        sum(leaf.size for leaf in jax.tree.leaves(restored.variables["params"])),
        _bytes(source),
        _bytes(out),
        (out / BANK).is_file(),
    )


def _write(restored: Restored, out: Path) -> None:
    # Batch statistics stay as they are: a variance near 0 that is rounded shifts every activation, and they are small.
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), restored.variables["params"])
    arguments = ocp.args.Composite(
        variables=ocp.args.StandardSave({**restored.variables, "params": params}),
        meta=ocp.args.JsonSave(_without_places(restored.meta)),
    )
    level, logger = logging.getLogger("absl").level, logging.getLogger("absl")
    logger.setLevel(logging.ERROR)  # Orbax warns that nothing here knows which checkpoint is best
    try:
        with ocp.CheckpointManager(out.absolute(), item_names=("variables", "meta")) as manager:
            manager.save(restored.step, args=arguments)
    finally:
        logger.setLevel(level)
    for note in out.rglob("commit_success.txt"):  # Orbax writes where it saved, and reads only that it is there
        note.write_text("saved\n")


def _without_places(meta: dict[str, Any]) -> dict[str, Any]:
    settings = {
        name: dict(section) if isinstance(section, dict) else section for name, section in meta["settings"].items()
    }
    for section, name in _PATHS:
        if settings.get(section, {}).get(name):
            settings[section][name] = ""
    return {**meta, "settings": settings}


def _folder(checkpoint: str | os.PathLike) -> Path:
    folder = Path(checkpoint)
    inner = folder / "checkpoints"
    if inner.is_dir():
        return inner
    if not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint folder at {folder}")
    return folder


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
