"""The input of a search: a target sound, and presets to begin with."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from vjax.audio.pitch import Pitch
from vjax.vital.preset import Preset


class Kind(StrEnum):
    """Where a preset comes from, as a value for code. Its label describes this to users, and may be any text."""

    PREDICTION = "prediction"
    """From the network: the predicted preset and its variants."""

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


class Sought(NamedTuple):
    """A sound that candidates are compared with.

    Attributes:
      audio: float32 [2, samples], as long as a render.
      note: MIDI note that candidates play.
      note_s: time from note-on to note-off, seconds.
      sample_rate: Hz.
      pitch: the pitch that candidates are tuned to; None leaves them as they are.
    """

    audio: np.ndarray
    note: int
    note_s: float
    sample_rate: int
    pitch: Pitch | None = None


class Start(NamedTuple):
    """A preset to begin with. `label` and `kind` describe where it comes from: `label` to users, `kind` to code."""

    label: str
    preset: Preset
    kind: Kind = Kind.GIVEN


class Ranked(NamedTuple):
    """A start at the level of the target. `audio`, float32 [2, samples], is its render before its level was set."""

    loss: float
    start: Start
    audio: np.ndarray


class Ranking(NamedTuple):
    """The ranked starts of one target.

    Attributes:
      starts: the audible ones, the best first. An equalised one replaces its original.
      losses: the losses of `starts` by label, the best first.
      evals: number of renders that the ranking took.
    """

    starts: list[Ranked]
    losses: dict[str, float]
    evals: int


class RefineTarget(NamedTuple):
    """A target sound, with the presets that a search begins with.

    Attributes:
      name: unique in a run.
      audio: float32 [2, samples], as long as a render.
      note: MIDI note that candidates play.
      starts: presets to begin with. The result of a search is never worse than the first of them.
      spent: renders that an earlier, killed run has used. The best preset that it found is one of the starts.
      note_s: time from note-on to note-off, seconds; by default that of the render config.
      ranking: the ranked starts. The search begins with the best of them. Its `evals` count as used. None: not ranked
        yet.
    """

    name: str
    audio: np.ndarray
    note: int
    starts: tuple[Start, ...]
    spent: int = 0
    note_s: float | None = None
    ranking: Ranking | None = None
