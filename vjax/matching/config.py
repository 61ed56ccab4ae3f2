"""The settings of a match."""

import dataclasses

from vjax.candidates.resynthesis.fit_table import WavetableFitConfig
from vjax.matching.preferred import PREFERENCES, Prefer
from vjax.search.refine_config import RefineConfig

DEFAULT_NOTE = 60
"""The note that is played when the sound has no clear pitch: C4, the middle of the keyboard."""


@dataclasses.dataclass(frozen=True)
class MatchConfig:
    """The settings of a match.

    Attributes:
      note: MIDI note to play; None estimates it from the sound.
      note_s: time from note-on to note-off, seconds. None estimates whether the note lasts for the whole clip; if it
        does not, the note length is that of the render config.
      tune: transpose each candidate to the pitch of the sound.
      level: set each candidate to the level of the sound.
      variants: at most N variants of the prediction compete with it (4 N presets that the model draws, if it has a
        posterior), and 3 N neighbours from each bank. 0 adds no variants, no neighbours and no resynthesis.
      patch: also estimate editable patches from the sound.
      resynthesis: how wavetables are made from the sound itself; None makes no resynthesis.
      prefer: which candidate is written, see `vjax.matching.preferred`. The closest candidate is written as well.
      equalise: at most N of the best candidates of each family get equalised wavetables: the levels of their harmonics
        are fitted to the sound. Patches are left out.
      refine: settings of the search that follows; None runs no search.
    """

    note: int | None = None
    note_s: float | None = None
    tune: bool = True
    level: bool = True
    variants: int = 3
    patch: bool = True
    resynthesis: WavetableFitConfig | None = WavetableFitConfig()
    prefer: Prefer = "editable"
    equalise: int = 6
    refine: RefineConfig | None = None

    def __post_init__(self):
        if self.note is not None and not 0 <= self.note <= 127:
            raise ValueError(f"note={self.note}; expected a MIDI note from 0 to 127, where C4 is 60")
        if self.note_s is not None and not self.note_s > 0:
            raise ValueError(f"note_s={self.note_s}; expected a time above 0 s, or None to estimate it")
        if self.prefer not in PREFERENCES:
            raise ValueError(f"prefer={self.prefer!r}; expected one of {', '.join(PREFERENCES)}")
        for field in ("variants", "equalise"):
            if getattr(self, field) < 0:
                raise ValueError(f"{field}={getattr(self, field)}; expected 0 or more")


DEFAULT = MatchConfig()

PREDICTION_ONLY = MatchConfig(level=False, variants=0, patch=False, resynthesis=None, equalise=0)
"""Renders and tunes the predicted preset. No other candidate competes."""
