"""A bank of sounds to search: presets that sound like a target.

A sound is found by its index entry: a small log-mel spectrogram in dB below its own maximum, averaged over pairs of
bands and over four frames at a time. A bank stores these entries as they are (`Images`), or in fewer bytes (`Codes`).
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

import numpy as np

from vjax.audio.mel import power_db
from vjax.vital.preset import Preset
from vjax.vital.transpose import transposed

RANGE_DB = 80.0
_BANDS, _FRAMES = 2, 4  # of the spectrogram, averaged into one value
_SEARCHED_AT_ONCE = 2048  # entries that are converted to float32 at a time


class Neighbour(NamedTuple):
    """A preset of a bank. It is transposed so that it sounds at the requested note as it did at its own."""

    name: str
    distance_db: float
    preset: Preset


class Entries(Protocol):
    """The index entries of n sounds. `shape` is that of one spectrogram, [bands, t]."""

    @property
    def shape(self) -> tuple[int, int]: ...

    def __len__(self) -> int: ...

    def distances_db(self, mel: np.ndarray) -> np.ndarray:
        """Returns [n] distances to an entry [bands, t] from `index_mel`."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Whole entries. Their distance is the mean |difference|.

    Attributes:
      mels: [n, bands, t]: float16 in dB, see `index_mel`; or uint8, in dB below 0.
    """

    mels: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        return self.mels.shape[1:]

    def __len__(self) -> int:
        return len(self.mels)

    def distances_db(self, mel: np.ndarray) -> np.ndarray:
        sign = -1 if self.mels.dtype == np.uint8 else 1
        blocks = np.split(self.mels, range(_SEARCHED_AT_ONCE, len(self.mels), _SEARCHED_AT_ONCE))
        return np.concatenate([np.abs(block.astype(np.float32) - sign * mel).mean((1, 2)) for block in blocks])


@dataclasses.dataclass(frozen=True, eq=False)
class Codes:
    """Entries as projections on a few principal components. Their distance is the root mean square difference.

    Attributes:
      codes: [n, k] int8, in units of `step_db`.
      basis: [k, bands, t] orthonormal components.
      mean: [bands, t], in dB.
    """

    codes: np.ndarray
    basis: np.ndarray
    mean: np.ndarray
    step_db: float

    @property
    def shape(self) -> tuple[int, int]:
        return self.mean.shape

    def __len__(self) -> int:
        return len(self.codes)

    def distances_db(self, mel: np.ndarray) -> np.ndarray:
        difference = (mel - self.mean).ravel()
        basis = self.basis.reshape(len(self.basis), -1)
        code = basis @ difference
        outside = max(float(difference @ difference - code @ code), 0.0)  # what the components cannot describe
        blocks = np.split(self.codes, range(_SEARCHED_AT_ONCE, len(self.codes), _SEARCHED_AT_ONCE))
        inside = [np.square(block * np.float32(self.step_db) - code).sum(1) for block in blocks]
        return np.sqrt((np.concatenate(inside) + outside) / difference.size)


@dataclasses.dataclass(frozen=True, eq=False)
class SoundBank:
    """Sounds to search.

    Attributes:
      entries: what the n sounds are like.
      notes: [n] MIDI notes at which the sounds were played.
      names: [n].
      preset: returns the preset of an entry; None if it cannot be made any more.
    """

    entries: Entries
    notes: np.ndarray
    names: Sequence[str]
    preset: Callable[[int], Preset | None]

    def nearest(self, mel: np.ndarray, note: int, k: int, leave_out: Sequence[str] = ()) -> list[Neighbour]:
        """Returns the `k` nearest neighbours of a sound, the nearest first. No name occurs twice.

        Raises ValueError if `mel` differs in size from the bank's entries: it was made with other settings.

        Args:
          mel: [bands, t], the index entry of the sound, from `index_mel`.
          leave_out: names that are skipped.
        """
        if not len(self.entries):
            return []
        if mel.shape != self.entries.shape:
            raise ValueError(
                f"the bank's index entries have shape {self.entries.shape}, that of the sound has {mel.shape}: they "
                "were made with other mel or render settings; build the bank with those of the checkpoint"
            )
        distances = self.entries.distances_db(mel)
        seen, found = set(leave_out), []
        for i in map(int, np.argsort(distances, kind="stable")):
            if len(found) == k:
                break
            if self.names[i] in seen:
                continue
            seen.add(self.names[i])
            preset = self.preset(i)
            if preset is not None:
                preset, _ = transposed(preset, float(self.notes[i]) - note)
                found.append(Neighbour(self.names[i], float(distances[i]), preset))
        return found


def index_mel(log_mel: np.ndarray) -> np.ndarray:
    """Converts [..., n_mels, t] log(1 + mel power) to [..., n_mels // 2, t // 4] float32 dB, from -80 to 0.

    The maximum of the sound is at 0 dB before the values are averaged.
    """
    db = power_db(np.expm1(log_mel.astype(np.float32)))
    db = np.maximum(db - db.max((-2, -1), keepdims=True), -RANGE_DB)
    bands, frames = db.shape[-2] // _BANDS, db.shape[-1] // _FRAMES
    db = db[..., : bands * _BANDS, : frames * _FRAMES]
    return db.reshape(*db.shape[:-2], bands, _BANDS, frames, _FRAMES).mean((-3, -1))


def bank_comment(name: str, credit: str) -> str:
    """Returns the comment of a preset that is made from a checkpoint's bank."""
    return f"From the bank of the model that vjax used: {name}. {credit}".strip()
