"""What a match returns: the preset, how near it comes, and everything that competed with it."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.pitch import Pitch
from vjax.inference.predict import Answer
from vjax.matching.choose import Candidate
from vjax.search.target import Kind
from vjax.vital.preset import Preset


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """A preset beside one of several recordings.

    Attributes:
      name: of the recording.
      note: MIDI note that was played.
      note_s: time from note-on to note-off, seconds.
      audio, loss, metrics: as in `MatchResult`.
    """

    name: str
    note: int
    note_s: float
    audio: np.ndarray
    loss: float
    metrics: Mapping[str, float]

    @property
    def mss_db(self) -> float:
        """The headline metric of `metrics`."""
        return self.metrics["mss"]


@dataclasses.dataclass(frozen=True, eq=False)
class FoundPreset:
    """A preset that was found for a sound, with what is measured of it; see `MatchResult`.

    Attributes:
      preset, label, kind, audio, plays, loss, metrics, re_render_db, recordings: as in `MatchResult`.
    """

    preset: Preset
    label: str
    kind: Kind
    audio: np.ndarray
    plays: Pitch
    loss: float
    metrics: Mapping[str, float]
    re_render_db: float
    recordings: tuple[Comparison, ...] = ()

    @property
    def mss_db(self) -> float:
        """The headline metric of `metrics`."""
        return self.metrics["mss"]

    @property
    def mean_mss_db(self) -> float:
        """`mss_db`, or its mean over several recordings."""
        return float(np.mean([one.mss_db for one in self.recordings])) if self.recordings else self.mss_db

    @property
    def mean_loss(self) -> float:
        """`loss`, or its mean over several recordings."""
        return float(np.mean([one.loss for one in self.recordings])) if self.recordings else self.loss


@dataclasses.dataclass(frozen=True, eq=False)
class MatchResult:
    """A sound and the preset that was found for it.

    All but `closest`, `candidates`, `prediction` and `predicted` describe this preset.

    Attributes:
      name: of the sound.
      preset: the one that `save` writes.
      label, kind: of the candidate that it came from, for people and for programs.
      audio: float32 [2, samples], the preset played by the engine.
      target: float32 [2, samples], the sound that it is compared with.
      sample_rate: Hz, of both.
      note: MIDI note that was played.
      note_s: time from note-on to note-off, seconds.
      velocity: of the note.
      note_given: whether the caller gave the note; else it was estimated.
      pitch: of the sound.
      plays: the pitch of `audio`.
      loss: the objective between `audio` and `target`; NaN for a silent preset. It and the metrics are means over the
        engine's random seeds of `vjax.search.judge`.
      metrics: by name of `vjax.audio.metric_names.METRICS`; NaN where there is none.
      re_render_db: MSS between two renders of the preset with different seeds: smaller distances to a sound are luck.
      recordings: the preset beside each of several recordings, the sound first; empty where there is one. All other
        attributes are those of the first, but `loss` and `mss_db` of `candidates` are means.
      closest: the preset of the nearest candidate, which `save` writes beside the other; None where that is nearest.
      candidates: all that competed, the best first, those without a sound last.
      prediction: what the network returned for the sound; its confidence and its routes are those of `predicted`. None
        where the caller gave all candidates.
      predicted: the predicted preset, tuned, at its own level; its audio is None if the engine could not play it.
      trace: (renders, best loss so far) of a search; empty without one.
      evals: renders that it took to find the preset.
      seconds: the time that it took.
      warnings: what the caller should know before they use the preset.
    """

    name: str
    preset: Preset
    label: str
    kind: Kind
    audio: np.ndarray
    target: np.ndarray
    sample_rate: int
    note: int
    note_s: float
    velocity: float
    note_given: bool
    pitch: Pitch
    plays: Pitch
    loss: float
    metrics: Mapping[str, float]
    re_render_db: float
    candidates: tuple[Candidate, ...]
    prediction: Answer | None
    predicted: Candidate | None
    trace: tuple[tuple[int, float], ...] = ()
    evals: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    closest: FoundPreset | None = None
    recordings: tuple[Comparison, ...] = ()

    @property
    def mss_db(self) -> float:
        """The headline metric of `metrics`."""
        return self.metrics["mss"]

    @property
    def silent(self) -> bool:
        """Whether the preset is silent at this note, so that it has no distance to the sound."""
        return bool(np.isnan(self.mss_db))

    @property
    def pitch_error_cents(self) -> float:
        """How far `plays` is from `pitch`; NaN unless both are clear."""
        return self.cents_off(self.plays)

    def cents_off(self, plays: Pitch) -> float:
        """How far a pitch is from `pitch`; NaN unless both are clear."""
        both = self.pitch.clear and plays.clear
        return 100 * (plays.midi - self.pitch.midi) if both else float("nan")

    def save(self, path: str | os.PathLike, overwrite: bool = False) -> list[Path]:
        """Writes `X.vital`, its render `X-vjax.wav` and a picture of the sounds `X-vjax.png`; the preset last.

        Where there is a `closest` preset, also writes `X (closest).vital` and `X (closest)-vjax.wav`; and draws it.

        Args:
          path: X.vital.
          overwrite: replace a preset that is there, even if someone has changed it since vjax wrote it.

        Returns:
          The files, the preset first.

        Raises:
          ValueError: the path does not end in `.vital`, or there is a preset that vjax did not write.
          OSError: it cannot be written there.
        """
        from vjax.matching.outputs import write_result

        return write_result(self, path, overwrite)

    def as_json(self) -> dict[str, Any]:
        """Everything but the sounds and the preset itself, for `json.dumps`."""
        from vjax.matching.outputs import result_json

        return result_json(self)
