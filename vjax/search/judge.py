"""Judges presets against a target, by settled renders in fresh processes, over several seeds of the engine.

A render is settled if the engine's parameters have reached their values before the note begins (`vjax.engine.synth`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vjax.audio.clip import Clip
from vjax.audio.metric_names import METRICS
from vjax.audio.scores import scores
from vjax.engine.pool import RenderJob, RenderPool, reliable
from vjax.search.candidate import Candidate, Kind
from vjax.search.objective import TERMS, Objective
from vjax.search.target import RefineTarget, Sought
from vjax.vital.level import level_range_db, with_gain
from vjax.vital.preset import Preset

JUDGE_SEEDS = (0, 1, 2)
"""Positions of the engine's random generators. A single render uses one of them; the final judgement uses all."""


class Judged(NamedTuple):
    """A preset compared with a target; loss and distances are means over JUDGE_SEEDS.

    Attributes:
      label, kind: of the candidate that it came from.
      loss: the loss of the objective.
      distances: by metric of `vjax.audio.distances`; NaN for silence.
      sounds: float32 [2, samples] each, its renders, one per seed.
    """

    preset: Preset
    label: str
    kind: Kind
    loss: float
    distances: dict[str, float]
    sounds: tuple[np.ndarray, ...]

    @property
    def audio(self) -> np.ndarray:
        """The render with the first seed."""
        return self.sounds[0]


class Recording(NamedTuple):
    """A sound that presets are made for.

    Attributes:
      clip: the sound as it was recorded.
      sought: the sound that candidates are compared with, its note, note length and pitch.
      judge: scores presets against the sound, which is its target in lane 0.
    """

    clip: Clip
    sought: Sought
    judge: "Judge"


class Judge:
    """Renders presets with `pool`, each in a fresh process, and scores them with `objective`."""

    def __init__(self, objective: Objective, pool: RenderPool):
        self._objective, self._pool = objective, pool

    @property
    def sample_rate(self) -> int:
        return self._pool.config.sample_rate

    def play(self, presets: Sequence[Preset], note: int, note_s: float | None = None) -> list[np.ndarray | None]:
        """Renders float32 [2, samples] of the presets with the first seed; None where the engine cannot render one."""
        jobs = [RenderJob(preset.to_json(), (note,), JUDGE_SEEDS[0], note_s) for preset in presets]
        return self._sounds(jobs)

    def levelled(
        self, sounds: Sequence[np.ndarray | None], presets: Sequence[Preset], lane: int, level: bool = True
    ) -> tuple[np.ndarray, np.ndarray, list[Preset]]:
        """Losses [n] and MSS distances [n] in dB of the presets' sounds, and the presets.

        All are at the level of the target in `lane`, or keep their own level if `level` is False. A loss
        is NaN for a sound that is None or silent.
        """
        ranges = np.array([level_range_db(preset) if level else (0.0, 0.0) for preset in presets]).reshape(-1, 2)
        losses, gains, mss_db = self._score(sounds, lane, ranges)
        return losses, mss_db, [with_gain(preset, gain) for preset, gain in zip(presets, gains.tolist(), strict=True)]

    def judged(self, candidate: Candidate, target: RefineTarget | Sought, lane: int) -> Judged:
        """Judges one candidate by settled renders with each of JUDGE_SEEDS. Raises ValueError if it is not audible."""
        return self.best([candidate], target, lane)[0]

    def best(self, candidates: Sequence[Candidate], target: RefineTarget | Sought, lane: int) -> tuple[Judged, Judged]:
        """(the first candidate, the best of all), judged by settled renders with each of JUDGE_SEEDS.

        Args:
          candidates: at least one.
          lane: the lane of the target in the objective.

        Raises:
          ValueError: none of them is audible with all seeds.
        """
        jobs = [
            RenderJob(one.preset.to_json(), (target.note,), seed, target.note_s)
            for one in candidates
            for seed in JUDGE_SEEDS
        ]
        sounds = self._sounds(jobs)
        per = len(JUDGE_SEEDS)
        no_gain_db = np.zeros((len(sounds), 2))
        losses = self._score(sounds, lane, no_gain_db)[0].reshape(-1, per).mean(1)  # NaN where one is silent
        ranked = np.where(np.isnan(losses), np.inf, losses)
        if np.isinf(ranked).all():
            raise ValueError(
                f"the {len(candidates)} best candidates are silent at note {target.note}; "
                "give another note or other candidates"
            )

        def judged(i: int) -> Judged:
            one = candidates[i]
            audible = [audio for audio in sounds[i * per : (i + 1) * per] if audio is not None]
            found = dict.fromkeys(METRICS, float("nan"))
            if audible:
                each = scores(np.stack(audible), target.audio, self.sample_rate)
                found = {name: float(np.mean(values)) for name, values in each.items()}
            silence = np.zeros_like(target.audio)
            return Judged(one.preset, one.label, one.kind, float(losses[i]), found, tuple(audible) or (silence,))

        return judged(0), judged(int(np.argmin(ranked)))

    def _sounds(self, jobs: Sequence[RenderJob]) -> list[np.ndarray | None]:
        return [None if played.audio is None else played.audio[0] for played in reliable(self._pool.map(jobs))]

    def _score(
        self, sounds: Sequence[np.ndarray | None], lane: int, range_db: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Losses, gains in dB and MSS distances in dB, [n] each."""
        losses, gains_db = np.full(len(sounds), np.nan, np.float32), np.zeros(len(sounds))
        mss_db = losses.copy()
        audible = {i: audio for i, audio in enumerate(sounds) if audio is not None}
        rendered, size = list(audible), self._objective.batch
        for chunk in (rendered[i : i + size] for i in range(0, len(rendered), size)):
            audio = np.stack([audible[i] for i in chunk])
            found = self._objective.levelled_terms(audio, [lane] * len(chunk), range_db[chunk])
            losses[chunk], gains_db[chunk], mss_db[chunk] = found[0], found[1], found[2][:, TERMS.index("mss")]
        return losses, np.where(np.isnan(losses), 0.0, gains_db), mss_db
