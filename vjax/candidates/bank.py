"""Makes the banks that a match searches (`vjax.candidates.sound_bank`). There are three kinds:

- a folder of `.vital` files. Each file is rendered once at the requested note. The index is stored in the folder.
- the training sounds of a checkpoint, in `bank.npz` beside the checkpoint. Their spectrograms come from the dataset.
- many generated sounds, in the same file, whose presets are drawn again (`vjax.candidates.seeded_bank`).
"""

import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from vjax.audio.mel import MelConfig
from vjax.audio.silence import is_silent
from vjax.candidates.folder_index import index_path, read_index, write_index, write_npz
from vjax.candidates.seeded_bank import is_seeded, seeded_bank
from vjax.candidates.sound_bank import RANGE_DB, Images, SoundBank, bank_comment, index_mel
from vjax.data.reader import Reader, sample_parameters
from vjax.data.shard import log_mel
from vjax.data.store import DatasetInfo
from vjax.engine.pool import RenderJob, RenderPool
from vjax.engine.synth import VERSION
from vjax.io.errors import error_text, reading
from vjax.io.file_names import as_text
from vjax.io.find_files import find_presets
from vjax.io.progress import progress_bar
from vjax.sound.schema import Parameters, Schema
from vjax.training.packing import BANK, CREDIT
from vjax.training.saving import CheckpointError
from vjax.vital.preset import Preset, read_preset
from vjax.vital.report_changes import report_changes
from vjax.vital.vocabulary import Vocabulary, to_preset

CHECKPOINT_BANK = BANK
MOST_TRAINING_SOUNDS = 20000
"""The most sounds in a checkpoint's bank. One takes 0.9 kB where spectrograms are 128 x 87.

docs/decisions/0007-shipped-model-and-bank.md shows that thousands of sounds are worth it.
"""

_SAVED_TOGETHER = 200  # presets of a folder that are added to its index in one write


def folder_bank(folder: str | os.PathLike, note: int, pool: RenderPool, mel: MelConfig) -> SoundBank:
    """Returns the bank of the presets under a folder, at a note.

    Presets that are not in the folder's index are rendered and added to it. Files that cannot be read or played are
    reported on stderr and left out.

    Raises:
      ValueError: there is no `.vital` file that can be played.
    """
    folder = Path(folder)
    files, contents = _contents(find_presets(folder))
    path = index_path(folder)
    settings = hashlib.sha256(json.dumps([dataclasses.asdict(pool.config), dataclasses.asdict(mel)]).encode())
    keys = [f"{content}-{note}-{settings.hexdigest()[:8]}-{VERSION}" for content in contents]
    index = read_index(path)
    missing = [(key, file) for key, file in zip(keys, files, strict=True) if key not in index]
    with progress_bar(total=len(missing), desc="rendering the bank", unit="preset", disable=not missing) as bar:
        for start in range(0, len(missing), _SAVED_TOGETHER):  # a run that is killed keeps its renders
            index |= _rendered(missing[start : start + _SAVED_TOGETHER], note, pool, mel, bar)
            path = write_index(path, index, set(contents))
    # A preset that cannot be played is indexed as silence, so that it is not tried again.
    audible = [i for i, key in enumerate(keys) if key in index and index[key].max() > -RANGE_DB]
    if not audible:
        raise ValueError(
            f"none of the {len(files)} presets in {folder} is audible at note {note}; "
            "give a folder with presets that are"
        )
    return SoundBank(
        Images(np.stack([index[keys[i]] for i in audible])),
        notes=np.full(len(audible), note),
        names=[as_text(files[i].relative_to(folder).with_suffix("")) for i in audible],
        preset=lambda i: report_changes(read_preset(files[audible[i]]), as_text(files[audible[i]])),
    )


def write_checkpoint_bank(path: str | os.PathLike, info: DatasetInfo, reader: Reader, rows: np.ndarray) -> None:
    """Writes a bank of training rows. If there are more than MOST_TRAINING_SOUNDS, it takes evenly spread ones.

    Index entries are stored in whole dB, which takes a third of the space. The search averages over a thousand values,
    so it needs no more precision.
    """
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), MOST_TRAINING_SOUNDS)).astype(int))]
    mels, notes, presets = [], [], []
    for row in rows:  # one by one: the full spectrograms of all rows would take gigabytes
        sample = reader[row]
        mels.append(np.rint(-index_mel(sample.mel[0])).astype(np.uint8))
        notes.append(int(sample.midi_note))
        presets.append(sample_parameters(sample, info.schema))
    columns = Parameters(*(np.stack(column) for column in zip(*presets, strict=True)))
    write_npz(
        Path(path),
        pictures=np.stack(mels),
        notes=np.array(notes, np.int16),
        hashes=reader.preset_hashes(rows),
        names=np.array(reader.preset_names(rows)),
        **columns._asdict(),
    )


def write_bank(snapshot: Any, _: Any, workdir: Path) -> dict[str, Any]:
    """An evaluator (see `vjax.training.loop`) that writes a bank beside a run's checkpoints at the end of the run."""
    if snapshot.last:
        write_checkpoint_bank(
            workdir / "checkpoints" / CHECKPOINT_BANK, snapshot.info, snapshot.reader, snapshot.train_rows
        )
    return {}


def checkpoint_bank(checkpoint: str | os.PathLike, schema: Schema, vocabulary: Vocabulary) -> SoundBank | None:
    """Returns the bank of a checkpoint, or None if it has none.

    Args:
      checkpoint: the run's folder, or the folder of checkpoints in it.
    """
    folders = (Path(checkpoint), Path(checkpoint) / "checkpoints")
    path = next((folder / CHECKPOINT_BANK for folder in folders if (folder / CHECKPOINT_BANK).is_file()), None)
    if path is None:
        return None
    credit = path.with_name(CREDIT).read_text().strip() if path.with_name(CREDIT).is_file() else ""
    with reading(path, CheckpointError, "get the checkpoint again"):
        with open(path, "rb") as file, np.load(file) as stored:  # never a pickle
            arrays = {name: stored[name] for name in stored.files}
        if is_seeded(arrays):
            return seeded_bank(path, arrays, vocabulary, credit)
        hashes = arrays["hashes"].astype(np.uint64)
        given = arrays.get("names", [""] * len(hashes))
        names = [f"training sound {n or f'{h:x}'}" for n, h in zip(given, hashes, strict=True)]
        numbers = {field: arrays[field] for field in ("pictures", "notes", *Parameters._fields)}
        shapes = ", ".join(f"{field} {array.dtype} {list(array.shape)}" for field, array in numbers.items())
        usable = all(len(array) == len(hashes) and array.dtype.kind in "fiu" for array in numbers.values())
        if not usable or arrays["pictures"].ndim != 3:
            raise CheckpointError(
                f"{path} is damaged: its arrays are {shapes}; expected numbers in {len(hashes)} rows of each. Get the "
                "checkpoint again"
            )

    def preset(i: int) -> Preset:
        with reading(path, CheckpointError, "get the checkpoint again"):
            parameters = Parameters(*(arrays[field][i] for field in Parameters._fields))
            return to_preset(parameters, schema, vocabulary, name=names[i], comments=bank_comment(names[i], credit))

    return SoundBank(Images(arrays["pictures"]), arrays["notes"], names, preset)


def _contents(files: Sequence[Path]) -> tuple[list[Path], list[str]]:
    """Returns the files that can be read, and the digests of their contents."""
    contents = {}
    for file in files:
        try:
            contents[file] = hashlib.sha256(file.read_bytes()).hexdigest()[:24]
        except OSError as error:
            tqdm.write(f"left out: {error_text(error)}", file=sys.stderr)
    return list(contents), list(contents.values())


def _rendered(
    missing: Sequence[tuple[str, Path]], note: int, pool: RenderPool, mel: MelConfig, bar: tqdm
) -> dict[str, np.ndarray]:
    """Returns index entries of presets by key. If the machine failed there is no entry, so that a later run retries."""
    playable: list[tuple[str, Path]] = []
    size = index_mel(np.zeros((mel.n_mels, mel.frames(pool.config.samples)))).shape
    silence = np.full(size, -RANGE_DB, np.float16)
    found: dict[str, np.ndarray] = {}

    def jobs():
        for key, file in missing:
            try:
                raw = report_changes(read_preset(file), as_text(file)).to_json()
            except (ValueError, OSError) as error:
                tqdm.write(f"left out: {error}", file=sys.stderr)
                if not isinstance(error, OSError):
                    found[key] = silence
                continue
            playable.append((key, file))
            yield RenderJob(raw, (note,))

    for n, rendering in enumerate(pool.map(jobs())):
        bar.update()
        key, file = playable[n]
        if rendering.by_machine:
            tqdm.write(f"left out this time: {as_text(file)}: {rendering.error}", file=sys.stderr)
        elif rendering.audio is None or not np.isfinite(rendering.audio).all():
            tqdm.write(f"left out: {as_text(file)}: {rendering.error or 'NaN samples'}", file=sys.stderr)
            found[key] = silence
        else:
            silent = is_silent(rendering.audio[0])
            found[key] = silence if silent else index_mel(log_mel(rendering.audio, mel)[0]).astype(np.float16)
    return found
