"""Presets that compete in a match, and where they come from."""

import dataclasses
import math
from enum import StrEnum

import numpy as np

from vjax.vital.preset import Preset

WRONG_NOTE_SEMITONES = 0.5
"""Above this pitch error, where both pitches are clear, a preset plays a wrong note."""


class Kind(StrEnum):
    """Where a preset comes from, as a value for code. Its label describes this to users, and may be any text."""

    PREDICTION = "prediction"
    """From the network: the predicted preset, and its variants or draws."""

    NEIGHBOUR = "neighbour"
    """From a bank."""

    PATCH = "patch"
    """An editable preset that was estimated from the sound."""

    RESYNTHESIS = "resynthesis"
    """An oscillator that sweeps through a wavetable made from the sound."""

    GIVEN = "given"
    """Given by the caller."""

    @property
    def family(self) -> str:
        """`patch`, `resynthesis`, or `knobs` for all others: presets that were not made from the sound."""
        return self.value if self in (Kind.PATCH, Kind.RESYNTHESIS) else "knobs"


FAMILIES = ("patch", "knobs", "resynthesis")
"""The families of all kinds."""


@dataclasses.dataclass(frozen=True, eq=False)
class Candidate:
    """A preset that competes in a match.

    Attributes:
      label: where the preset comes from, as text for users.
      preset: once it has a loss, tuned and at the level of the sound.
      loss: the loss of the objective; NaN where there is none.
      mss_db: its MSS distance to the sound; NaN where there is none.
      pitch_error_semitones: the pitch of its render minus that of the sound; NaN unless both pitches are clear.
      tuned_semitones: by how much it was transposed.
      error: why it has no loss; empty if it has one.
      audio: float32 [2, samples], its render before its level was set; None if it could not be rendered.
      gain_db: by how much its level was changed after this render.
      by_machine: whether the error is a fault of the machine, and not of the preset.
      kind: where the preset comes from, as a value for code.
      each_mss_db: MSS to each recording, where it was rendered for several. `loss` and `mss_db` are then means, and
        `pitch_error_semitones` is the largest error.
    """

    label: str
    preset: Preset
    loss: float = math.nan
    mss_db: float = math.nan
    pitch_error_semitones: float = math.nan
    tuned_semitones: float = 0.0
    error: str = ""
    audio: np.ndarray | None = None
    gain_db: float = 0.0
    by_machine: bool = False
    kind: Kind = Kind.GIVEN
    each_mss_db: tuple[float, ...] = ()

    @property
    def wrong_note(self) -> bool:
        return abs(self.pitch_error_semitones) > WRONG_NOTE_SEMITONES  # False for NaN

    @property
    def rendered(self) -> np.ndarray:
        """`audio`, of a candidate that could be rendered."""
        assert self.audio is not None, f"{self.label} has no render: {self.error}"
        return self.audio

    @property
    def levelled_audio(self) -> np.ndarray:
        """What `preset` plays: `rendered` at the level that was set."""
        return self.rendered * np.float32(10 ** (self.gain_db / 20))
