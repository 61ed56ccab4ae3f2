"""The result of a match: the preset, its distance to the sound, and all candidates that competed."""

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.pitch import Pitch
from vjax.inference.decode import PredictedPreset
from vjax.search.candidate import Candidate, Kind
from vjax.vital.preset import Preset


@dataclasses.dataclass(frozen=True, eq=False)
class Comparison:
    """A preset compared with one of several recordings.

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
        """MSS in dB, the main metric of `metrics`."""
        return self.metrics["mss"]


@dataclasses.dataclass(frozen=True, eq=False)
class FoundPreset:
    """A preset that was found for a sound, with its measurements; see `MatchResult`.

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
        """MSS in dB, the main metric of `metrics`."""
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

    All attributes but `closest`, `candidates`, `prediction` and `predicted` describe this preset.

    Attributes:
      name: of the sound.
      preset: the preset that `save` writes.
      label: of the candidate that it came from, as text for users.
      kind: of this candidate, as a value for code.
      audio: float32 [2, samples], the preset rendered by the engine.
      target: float32 [2, samples], the sound that it is compared with.
      sample_rate: Hz, of both.
      note: MIDI note that was played.
      note_s: time from note-on to note-off, seconds.
      velocity: of the note.
      note_given: whether the caller gave the note; else it was estimated.
      pitch: of the sound.
      plays: the pitch of `audio`.
      loss: the loss of the objective between `audio` and `target`; NaN for a silent preset. The loss and the metrics
        are means over the engine's random seeds of `vjax.search.judge`.
      metrics: by name of `vjax.audio.metric_names.METRICS`; NaN where there is none.
      re_render_db: the re-render reference: MSS between renders of the preset with different seeds. A smaller distance
        to the sound is due to chance.
      recordings: the preset compared with each of several recordings, the sound first; empty for one recording. All
        other attributes describe the first recording, but `loss` and `mss_db` of `candidates` are means.
      closest: the preset of the closest candidate, which `save` writes as well; None if `preset` is the closest.
      candidates: all candidates that competed, the best first, those without a loss last.
      prediction: the network's prediction for the sound. Its confidence and its routes are those of `predicted`. None
        if the caller gave all candidates.
      predicted: the predicted preset, tuned, at its own level. Its audio is None if the engine could not render it.
      trace: (renders, best loss so far) of a search; empty without a search.
      evals: number of renders that it took to find the preset.
      seconds: the time that it took.
      warnings: what users should read before they use the preset.
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
    prediction: PredictedPreset | None
    predicted: Candidate | None
    trace: tuple[tuple[int, float], ...] = ()
    evals: int = 0
    seconds: float = 0.0
    warnings: tuple[str, ...] = ()
    closest: FoundPreset | None = None
    recordings: tuple[Comparison, ...] = ()

    @property
    def mss_db(self) -> float:
        """MSS in dB, the main metric of `metrics`."""
        return self.metrics["mss"]

    @property
    def silent(self) -> bool:
        """Whether the preset is silent at this note. It then has no distance to the sound."""
        return bool(np.isnan(self.mss_db))

    @property
    def pitch_error_cents(self) -> float:
        """How far `plays` is from `pitch`; NaN unless both are clear."""
        return self.cents_off(self.plays)

    def cents_off(self, plays: Pitch) -> float:
        """How far a pitch is from `pitch`; NaN unless both are clear."""
        both = self.pitch.clear and plays.clear
        return 100 * (plays.midi - self.pitch.midi) if both else float("nan")

    def save(self, path: str | os.PathLike, overwrite: bool = False, page: bool = False) -> list[Path]:
        """Writes `X.vital`, its render `X-vjax.wav` and an image of the sounds `X-vjax.png`; the preset last.

        If there is a `closest` preset, it also writes `X (closest).vital` and `X (closest)-vjax.wav`. The image then
        shows this preset, too.

        Args:
          path: X.vital.
          overwrite: replace an existing preset, even if someone has changed it since vjax wrote it.
          page: also write `X.html`, which plays and shows the sound, the preset and other candidates in a browser, and
            contains their presets. Without it, the page of an earlier match is removed.

        Returns:
          The files, the preset first.

        Raises:
          ValueError: the path does not end in `.vital`, or a preset exists there that is not as vjax wrote it; or the
            page would replace a file that is not the page of a match.
          OSError: the files cannot be written there.
        """
        from vjax.matching.outputs import write_result

        return write_result(self, path, overwrite, page=page)

    def as_json(self) -> dict[str, Any]:
        """Everything but the sounds and the preset itself, for `json.dumps`."""
        from vjax.matching.outputs import result_json

        return result_json(self)
