"""Makes a checkpoint small enough to ship: weights in bfloat16, no optimiser, no paths of the machine that trained it.

The result is a checkpoint folder like any other, with the bank of training sounds beside the weights.
`load_checkpoint` reads it, in float32 again.
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

from vjax.io.atomic import replacing
from vjax.io.folder_lock import locked
from vjax.training.checkpoint import Restored, load_checkpoint
from vjax.training.saving import CheckpointError, saving, tree_bytes

BANK = "bank.npz"
"""The bank's file, beside the steps' folders; see `vjax.candidates.bank`."""

CREDIT = "bank-credit.txt"
"""A file beside the bank. It states in a sentence whose presets the bank was made from.

The sentence is stored in the presets that are made from the bank.
"""

_PATHS = (("data", "path"), ("data", "presets"), ("data", "wavetable_catalog"))
"""Settings that are paths on the machine that trained."""


@dataclasses.dataclass(frozen=True)
class Packed:
    """What was written: number of parameters, bytes on disk before and after, and whether a bank is included."""

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
      bank: include the run's bank, if it has one.
      credit: whose presets the bank was made from, see CREDIT. By default, the text of the run's folder, if any.

    Raises:
      CheckpointError: there is no checkpoint, or the disk is full. `out` is then as it was.
      ValueError: `out` is not empty.
      FolderInUseError: another process writes to `out`.
    """
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with locked(out, beside=True):
        return _pack(checkpoint, out, which, bank, credit)


def _pack(checkpoint: str | os.PathLike, out: Path, which: str, bank: bool, credit: str) -> Packed:
    if out.exists() and any(out.iterdir()):
        raise ValueError(f"{out} is not empty; choose another --out, or remove it")
    restored = load_checkpoint(Path(checkpoint), which)
    source = bank_folder(checkpoint)
    bank_file = source / BANK
    size = tree_bytes(restored.variables) // 2 + (bank_file.stat().st_size if bank_file.is_file() else 0)
    with replacing(out.absolute()) as partial, saving(out.absolute().parent, size):
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        _write(restored, partial)
        if bank and bank_file.is_file():
            shutil.copyfile(bank_file, partial / BANK)
            if not credit and (source / CREDIT).is_file():  # a packed checkpoint is packed again
                credit = (source / CREDIT).read_text().strip()
            if credit:
                (partial / CREDIT).write_text(credit + "\n")
    return Packed(
        restored.step,
        sum(leaf.size for leaf in jax.tree.leaves(restored.variables["params"])),
        _bytes(source),
        _bytes(out),
        (out / BANK).is_file(),
    )


def _write(restored: Restored, out: Path) -> None:
    # Batch statistics stay in float32: rounding a variance near 0 would shift every activation, and they are small.
    params = jax.tree.map(lambda leaf: leaf.astype(jnp.bfloat16), restored.variables["params"])
    arguments = ocp.args.Composite(
        variables=ocp.args.StandardSave({**restored.variables, "params": params}),
        meta=ocp.args.JsonSave(_without_paths(restored.meta)),
    )
    level, logger = logging.getLogger("absl").level, logging.getLogger("absl")
    logger.setLevel(logging.ERROR)  # Orbax warns that it cannot determine the best checkpoint
    try:
        with ocp.CheckpointManager(out.absolute(), item_names=("variables", "meta")) as manager:
            manager.save(restored.step, args=arguments)
    finally:
        logger.setLevel(level)
    for marker in out.rglob("commit_success.txt"):  # Orbax writes its path into it, and only checks that it exists
        marker.write_text("saved\n")


def _without_paths(meta: dict[str, Any]) -> dict[str, Any]:
    settings = {
        name: dict(section) if isinstance(section, dict) else section for name, section in meta["settings"].items()
    }
    for section, name in _PATHS:
        if settings.get(section, {}).get(name):
            settings[section][name] = ""
    return {**meta, "settings": settings}


def bank_folder(checkpoint: str | os.PathLike) -> Path:
    """Returns the folder of a checkpoint that contains its steps and its bank. Raises CheckpointError without one."""
    folder = Path(checkpoint)
    inner = folder / "checkpoints"
    if inner.is_dir():
        return inner
    if not folder.is_dir():
        raise CheckpointError(f"there is no checkpoint folder at {folder}; give the --workdir of a training run")
    return folder


def _bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
