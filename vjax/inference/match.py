"""From a sound to a preset that was played and listened to: the note, the tuning, the render, the distance."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import numpy as np

from vjax.audio.distances import is_silent, mss
from vjax.audio.held import is_held
from vjax.audio.pitch import Pitch, detect_pitch
from vjax.inference.export import export_preset
from vjax.inference.predict import Answer, Predictor
from vjax.inference.stream import Failure, map_ahead
from vjax.schema import Schema
from vjax.vital import preset as vital_preset
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.preset import Preset
from vjax.vital.vocabulary import Vocabulary, from_parameters

DEFAULT_NOTE = 60
"""Played when no pitch was heard: C4, the middle of the keyboard."""

SURE = 0.5
"""A pitch of less confidence is not followed."""

_FLOOR_SEED = 7  # another position of the engine's random generators
_IN_TUNE_SEMITONES = 0.3  # trackers and unison detuning differ by less


@dataclasses.dataclass(frozen=True)
class MatchConfig:
    """How answers are played.

    Attributes:
      note: MIDI note to render; None takes the one that is heard in the sound. A dataset's rows have their own.
      tune: transpose the answer until its render has the sound's pitch.
    """

    note: int | None = None
    tune: bool = True

    def __post_init__(self):
        if self.note is not None and not 0 <= self.note <= 127:
            raise ValueError(f"note {self.note} is no MIDI note; give one from 0 to 127")


@dataclasses.dataclass(frozen=True, eq=False)
class Match:
    """A sound and the preset found for it.

    Attributes:
      name: of the sound.
      answer: what the model said.
      preset: the answer as a preset, tuned.
      note: MIDI note at which it was played.
      note_s: how long its key was held.
      pitch: what was heard in the sound, followed if its confidence is at least `SURE`; None where the note was given.
      tuned_semitones: by how much the answer was transposed.
      target, audio: float32 [channels, samples], the sound and the preset's render.
      mss_db: their distance; NaN if either is silent.
    """

    name: str
    answer: Answer
    preset: Preset
    note: int
    note_s: float
    pitch: Pitch | None
    tuned_semitones: float
    target: np.ndarray
    audio: np.ndarray
    mss_db: float


class Matcher:
    """Turns answers into matches on all cores: pitch and renders in threads, in the order of the answers.

    Args:
      predictor: where the answers come from.
      vocabulary: its catalogs, `checkpoint_vocabulary(predictor)`.
      pool: renders; its config should be `render_config(predictor)`.
    """

    def __init__(self, predictor: Predictor, vocabulary: Vocabulary, pool: RenderPool, config: MatchConfig):
        self._schema, self._vocabulary, self._pool, self._config = predictor.schema, vocabulary, pool, config
        self._sample_rate = predictor.sample_rate

    def matches(
        self,
        answers: Iterable[Answer | Failure],
        target: Callable[[Answer], np.ndarray],
        name: Callable[[Answer], str],
    ) -> Iterator[Match | Failure]:
        """A match or a failure for each answer, in order; a few answers ahead of what is asked for.

        Args:
          target: the sound behind an answer, float32 [channels, samples].
          name: what its preset is called.
        """

        def match(answer: Answer | Failure) -> Match | Failure:
            return answer if isinstance(answer, Failure) else self._try(answer, target, name(answer))

        return map_ahead(match, answers, self._pool.workers, most=2 * self._pool.workers)

    def render_target(self, answer: Answer, schema: Schema, vocabulary: Vocabulary) -> np.ndarray:
        """The sound of a dataset's row, rendered from its target parameters (in the dataset's words) at its note."""
        if answer.target is None:
            raise ValueError(f"{answer.name} has no target parameters; only rows of a dataset have them")
        raw = from_parameters(answer.target, schema, vocabulary)
        return self._render(raw, answer.midi_note, self._pool.config.note_s)

    def rows(self, match: Match) -> dict[str, float]:
        """What a match's distance is read between, MSS in dB; NaN against silence.

        `init_db` is the init patch against the target, `floor_db` the found preset against itself with other random
        phases: no preset that has such phases comes nearer to its own sound.
        """
        init = self._render(vital_preset.init().to_json(), match.note, match.note_s)
        again = self._render(match.preset.to_json(), match.note, match.note_s, seed=_FLOOR_SEED)
        return {
            "init_db": float(mss(init, like_render(match.target, init.shape), self._sample_rate)),
            "floor_db": float(mss(again, match.audio, self._sample_rate)),
        }

    def _try(self, answer: Answer, target: Callable[[Answer], np.ndarray], name: str) -> Match | Failure:
        try:
            return self._match(answer, target(answer), name)
        except (ValueError, OSError) as error:
            text = str(error)
            return Failure(answer.name, text if answer.name in text else f"{answer.name}: {text}")

    def _match(self, answer: Answer, target: np.ndarray, name: str) -> Match:
        pitch, note = None, self._config.note if answer.midi_note is None else answer.midi_note
        if note is None or self._config.tune:
            pitch = detect_pitch(target, self._sample_rate)
        if note is None:
            note = pitch.note if pitch.confidence >= SURE else DEFAULT_NOTE
        preset = export_preset(answer, self._schema, self._vocabulary, name)
        note_s = self._note_s(answer, target)
        audio, tuned = self._render(preset.to_json(), note, note_s), 0.0
        if self._config.tune and pitch.confidence >= SURE:
            preset, audio, tuned = self._tuned(preset, audio, note, note_s, pitch)
        shown = pitch if self._config.note is None and answer.midi_note is None else None
        distance = float(mss(audio, like_render(target, audio.shape), self._sample_rate))
        return Match(answer.name, answer, preset, note, note_s, shown, tuned, target, audio, distance)

    def _note_s(self, answer: Answer, target: np.ndarray) -> float:
        """As the training sounds; a recording that goes on past that is taken for a note that was held throughout."""
        config = self._pool.config
        recorded = answer.midi_note is None
        held = recorded and is_held(like_render(target, (2, config.samples)), self._sample_rate, config.note_s)
        return config.seconds if held else config.note_s

    def _tuned(
        self, preset: Preset, audio: np.ndarray, note: int, note_s: float, wanted: Pitch
    ) -> tuple[Preset, np.ndarray, float]:
        """The preset transposed to the wanted pitch, if its render then is nearer to it and can be heard."""
        heard = detect_pitch(audio, self._sample_rate)
        error = wanted.midi - heard.midi
        if heard.confidence < SURE or abs(error) < _IN_TUNE_SEMITONES:
            return preset, audio, 0.0
        candidate, shift = transposed(preset, error)
        tuned = self._render(candidate.to_json(), note, note_s)
        again = detect_pitch(tuned, self._sample_rate)
        heard_better = again.confidence >= SURE and abs(wanted.midi - again.midi) < abs(error)
        if heard_better and not is_silent(tuned):
            return candidate, tuned, shift
        return preset, audio, 0.0

    def _render(self, raw: dict, note: int, note_s: float, seed: int = 0) -> np.ndarray:
        rendering = self._pool.render(RenderJob(raw, (note,), seed, note_s))
        if rendering.audio is None:
            raise ValueError(f"the engine could not play the preset at note {note}: {rendering.error}")
        if not np.isfinite(rendering.audio).all():
            raise ValueError(f"the engine played NaN or infinite samples at note {note}")
        return rendering.audio[0]


def transposed(preset: Preset, semitones: float) -> tuple[Preset, float]:
    """The preset with its whole voice shifted by about `semitones`, and by how much: within the knobs' ranges.

    Whole semitones go to `voice_transpose`, the rest to `voice_tune`.
    """
    controls = vital_preset.controls()
    transpose, tune = (controls.continuous[controls.position[name]] for name in ("voice_transpose", "voice_tune"))
    at = [controls.position[knob.name] for knob in (transpose, tune)]
    now = controls.minimum[at] + preset.continuous[at] * controls.span[at]
    wanted = now.sum() + semitones
    whole = np.clip(round(wanted), transpose.minimum, transpose.maximum)
    rest = np.clip(wanted - whole, tune.minimum, tune.maximum)
    continuous = preset.continuous.copy()
    continuous[at] = transpose.to_norm(whole), tune.to_norm(rest)
    return dataclasses.replace(preset, continuous=continuous), float(whole + rest - now.sum())


def render_config(predictor: Predictor) -> RenderConfig:
    """How answers are played: as the training sounds were, or for the length of the clip."""
    if predictor.render is not None:
        return predictor.render
    seconds = predictor.samples / predictor.sample_rate
    return RenderConfig(seconds=seconds, note_s=0.75 * seconds, sample_rate=predictor.sample_rate)


def like_render(target: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """A sound [channels, samples] with as many channels and samples as a render of this shape."""
    channels, samples = shape
    target = np.broadcast_to(target[:1], (channels, target.shape[1])) if len(target) < channels else target[:channels]
    return np.pad(target[:, :samples], ((0, 0), (0, max(samples - target.shape[1], 0))))
