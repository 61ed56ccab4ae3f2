"""The input of a search: a target sound, and candidates to begin with."""

from typing import NamedTuple

import numpy as np

from vjax.audio.pitch import Pitch
from vjax.search.candidate import Candidate


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


class Ranking(NamedTuple):
    """The ranked candidates of one target.

    Attributes:
      candidates: the audible ones, the best first. An equalised one replaces its original.
      losses: the losses of `candidates` by label, the best first.
      evals: number of renders that the ranking took.
    """

    candidates: list[Candidate]
    losses: dict[str, float]
    evals: int


class RefineTarget(NamedTuple):
    """A target sound, with the candidates that a search begins with.

    Attributes:
      name: unique in a run.
      audio: float32 [2, samples], as long as a render.
      note: MIDI note that candidates play.
      candidates: presets to begin with. The result of a search is never worse than the first of them.
      spent: renders that an earlier, killed run has used. The best preset that it found is one of the candidates.
      note_s: time from note-on to note-off, seconds; by default that of the render config.
      ranking: the ranked candidates. The search begins with the best of them. Its `evals` count as used. None: not
        ranked yet.
    """

    name: str
    audio: np.ndarray
    note: int
    candidates: tuple[Candidate, ...]
    spent: int = 0
    note_s: float | None = None
    ranking: Ranking | None = None
