"""What a search is given: a sound to come near to, and presets to begin with."""

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from vjax.audio.pitch import Pitch
from vjax.vital.preset import Preset


class Kind(StrEnum):
    """Where a preset comes from, for programs; its label says it for people, and may be any text."""

    PREDICTION = "prediction"
    """Of the network: the predicted preset and its variants."""

    NEIGHBOUR = "neighbour"
    """Of a bank."""

    PATCH = "patch"
    """An editable preset explained from the sound."""

    RESYNTHESIS = "resynthesis"
    """An oscillator swept through a wavetable made of the sound."""

    GIVEN = "given"
    """The caller's own."""

    @property
    def family(self) -> str:
        """`patch`, `resynthesis`, or `knobs` for all others: presets that were not made from the sound."""
        return self.value if self in (Kind.PATCH, Kind.RESYNTHESIS) else "knobs"


FAMILIES = ("patch", "knobs", "resynthesis")
"""Of all kinds."""


class Sought(NamedTuple):
    """A sound that candidates are compared with.

    Attributes:
      audio: float32 [2, samples], as long as a render.
      note: MIDI note that candidates play.
      note_s: time from note-on to note-off, seconds.
      sample_rate: Hz.
      pitch: what candidates are tuned to; None leaves them as they are.
    """

    audio: np.ndarray
    note: int
    note_s: float
    sample_rate: int
    pitch: Pitch | None = None


class Start(NamedTuple):
    """A preset to begin with; `label` says for people where it comes from, `kind` for programs."""

    label: str
    preset: Preset
    kind: Kind = Kind.GIVEN


class Ranked(NamedTuple):
    """A start at the level of the target; `audio`, float32 [2, samples], is as it was played before."""

    loss: float
    start: Start
    audio: np.ndarray


class Ranking(NamedTuple):
    """Of one target's starts.

    Attributes:
      starts: those that can be heard, the best first; a fitted one stands in the place of its original.
      losses: by label, of these and of the originals, the best first.
      evals: renders that it took.
    """

    starts: list[Ranked]
    losses: dict[str, float]
    evals: int


class RefineTarget(NamedTuple):
    """A sound to come near to.

    Attributes:
      name: unique in a run.
      audio: float32 [2, samples], as long as a render.
      note: MIDI note that candidates play.
      starts: presets to begin with; the first is what refinement never does worse than.
      note_s: how long candidates hold the key; by default as the render config says.
      spent: evaluations that an earlier, killed run has used up; the best that it found is the second start.
      ranking: of the candidates: the search begins at the best. Its `evals` count as used. None: not ranked yet.
    """

    name: str
    audio: np.ndarray
    note: int
    starts: tuple[Start, ...]
    spent: int = 0
    note_s: float | None = None
    ranking: Ranking | None = None
