"""Finds the nearest neighbours of a sound in a bank: presets that sound like the target, as candidates for refinement.

A sound is found by its index entry: a small log-mel spectrogram in dB below its own maximum, averaged over pairs of
bands and over four frames at a time. The distance of two entries is their mean |difference|. There are two kinds of
bank:

- a folder of `.vital` files. Each file is rendered once at the requested note. The index is stored in the folder.
- the training sounds of a checkpoint, in `bank.npz` beside the checkpoint. Their spectrograms come from the dataset.
"""

import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from vjax.audio.mel import MelConfig, power_db
from vjax.audio.silence import is_silent
from vjax.candidates.folder_index import index_path, read_index, write_index, write_npz
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
from vjax.training.checkpoint import CheckpointError
from vjax.training.packing import BANK, CREDIT
from vjax.vital.preset import Preset, read_preset
from vjax.vital.report_changes import report_changes
from vjax.vital.transpose import transposed
from vjax.vital.vocabulary import Vocabulary, to_preset

CHECKPOINT_BANK = BANK
MOST_TRAINING_SOUNDS = 20000
"""The most sounds in a checkpoint's bank. One takes 0.9 kB where spectrograms are 128 x 87.

docs/decisions/0007-shipped-model-and-bank.md shows that thousands of sounds are worth it.
"""

_RANGE_DB = 80.0
_SAVED_TOGETHER = 200  # presets of a folder that are added to its index in one write
_SEARCHED_AT_ONCE = 2048  # index entries that are converted to float32 at a time
_BANDS, _FRAMES = 2, 4  # of the spectrogram, averaged into one value


class Neighbour(NamedTuple):
    """A preset of a bank. It is transposed so that it sounds at the requested note as it did at its own."""

    name: str
    distance_db: float
    preset: Preset


@dataclasses.dataclass(frozen=True, eq=False)
class SoundBank:
    """Sounds to search.

    Attributes:
      mels: [n, bands, t] index entries: float16 in dB, see `index_mel`; or uint8, in dB below 0.
      notes: [n] MIDI notes at which the sounds were played.
      names: [n].
      preset: returns the preset of an entry.
    """

    mels: np.ndarray
    notes: np.ndarray
    names: Sequence[str]
    preset: Callable[[int], Preset]

    def nearest(self, mel: np.ndarray, note: int, k: int, leave_out: Sequence[str] = ()) -> list[Neighbour]:
        """Returns the `k` nearest neighbours of a sound, the nearest first. No name occurs twice.

        Raises ValueError if `mel` differs in size from the bank's entries: it was made with other settings.

        Args:
          mel: [bands, t], the index entry of the sound, from `index_mel`.
          leave_out: names that are skipped.
        """
        if not len(self.mels):
            return []
        if mel.shape != self.mels.shape[1:]:
            raise ValueError(
                f"the bank's index entries have shape {self.mels.shape[1:]}, that of the sound has {mel.shape}: they "
                "were made with other mel or render settings; build the bank with those of the checkpoint"
            )
        sign = -1 if self.mels.dtype == np.uint8 else 1
        blocks = np.split(self.mels, range(_SEARCHED_AT_ONCE, len(self.mels), _SEARCHED_AT_ONCE))
        distances = np.concatenate([np.abs(block.astype(np.float32) - sign * mel).mean((1, 2)) for block in blocks])
        seen, found = set(leave_out), []
        for i in np.argsort(distances, kind="stable"):
            if len(found) == k:
                break
            if self.names[i] not in seen:
                seen.add(self.names[i])
                preset, _ = transposed(self.preset(int(i)), float(self.notes[i]) - note)
                found.append(Neighbour(self.names[i], float(distances[i]), preset))
        return found


def index_mel(log_mel: np.ndarray) -> np.ndarray:
    """Converts [..., n_mels, t] log(1 + mel power) to [..., n_mels // 2, t // 4] float32 dB, from -80 to 0.

    The maximum of the sound is at 0 dB before the values are averaged.
    """
    db = power_db(np.expm1(log_mel.astype(np.float32)))
    db = np.maximum(db - db.max((-2, -1), keepdims=True), -_RANGE_DB)
    bands, frames = db.shape[-2] // _BANDS, db.shape[-1] // _FRAMES
    db = db[..., : bands * _BANDS, : frames * _FRAMES]
    return db.reshape(*db.shape[:-2], bands, _BANDS, frames, _FRAMES).mean((-3, -1))


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
    audible = [i for i, key in enumerate(keys) if key in index and index[key].max() > -_RANGE_DB]
    if not audible:
        raise ValueError(
            f"none of the {len(files)} presets in {folder} is audible at note {note}; "
            "give a folder with presets that are"
        )
    return SoundBank(
        mels=np.stack([index[keys[i]] for i in audible]),
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
    with reading(path, CheckpointError, "get the checkpoint again"):
        with open(path, "rb") as file, np.load(file) as stored:  # never a pickle
            arrays = {name: stored[name] for name in stored.files}
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
    credit = path.with_name(CREDIT).read_text().strip() if path.with_name(CREDIT).is_file() else ""

    def preset(i: int) -> Preset:
        with reading(path, CheckpointError, "get the checkpoint again"):
            parameters = Parameters(*(arrays[field][i] for field in Parameters._fields))
            comments = f"From the bank of the model that vjax used: {names[i]}. {credit}".strip()
            return to_preset(parameters, schema, vocabulary, name=names[i], comments=comments)

    return SoundBank(arrays["pictures"], arrays["notes"], names, preset)


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
    silence = np.full(size, -_RANGE_DB, np.float16)
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
