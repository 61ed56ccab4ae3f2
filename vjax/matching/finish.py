"""The second half of a match: play what was chosen once more, and describe the preset that is to be written."""

import dataclasses
import math
import time
from collections.abc import Sequence

import numpy as np

from vjax.audio.distances import mss
from vjax.audio.metrics import METRICS
from vjax.audio.pitch import detect_pitch, note_name
from vjax.inference.judge import Judged
from vjax.inference.level import level_range_db, with_gain
from vjax.inference.refine import Refined
from vjax.inference.target import Start
from vjax.matching.describe import comment, style_of
from vjax.matching.prepare import Prepared
from vjax.matching.result import MatchResult
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.preset import Preset

FULL_SCALE = 10 ** (-0.1 / 20)
"""The highest peak that is written: a converter clips what is above 1."""

_OCTAVES_DB = 1.5
_MARGIN_DB = 0.05  # a gain is rounded to the volume's float32, and a smaller one changes nothing
_OFF_LEVEL_DB = 1.0  # a level that is further off is worth a warning


def finish(prepared: Prepared, pool: RenderPool, refined: Refined | None = None) -> MatchResult:
    """Plays the best candidate, or what a search found, once more, and describes the preset that is to be written.

    Raises ValueError if the search had no result.
    """
    clip, sought, choice, render = prepared.clip, prepared.sought, prepared.choice, pool.config
    if refined is not None and refined.error:
        raise ValueError(refined.error)
    warnings = []
    if prepared.config.note is None and not clip.pitch.clear:
        warnings.append(
            f"the sound has no clear pitch, so {note_name(sought.note)} is assumed; if it has a note, give it by --note"
        )
    if choice.best is None:
        first = choice.as_played[0]
        label, preset, judged = first.label, first.preset, None
        warnings.append(f"no candidate is audible; {label!r} is written: {first.error}")
    else:
        label, preset = (refined.start, refined.preset) if refined else (choice.best.label, choice.best.preset)
        judged = prepared.judge.judged(Start(label, preset), sought, 0)
        if prepared.config.level:
            preset, judged, off_level = _within_scale(preset, judged, label, prepared, pool)
            warnings += off_level
    metrics = judged.distances if judged else dict.fromkeys(METRICS, math.nan)
    audio = judged.audio if judged else _or_silence(choice.as_played[0].audio, sought.audio)
    plays = detect_pitch(audio, clip.sample_rate)
    evals = refined.evals if refined else choice.evals
    found = f"{label}, after a search of {evals} renders" if refined and refined.trace[1:] else label
    name = clip.title
    pitched = prepared.config.note is not None or clip.pitch.clear
    preset = dataclasses.replace(
        preset,
        name=name,
        author=preset.author or "vjax",
        style=style_of(sought.audio, clip.sample_rate, sought.note, sought.note_s, pitched),
        comments=comment(name, sought.note, sought.note_s, found, metrics, preset.comments),
    )
    return MatchResult(
        name=clip.name,
        preset=preset,
        label=label,
        audio=audio,
        target=sought.audio,
        sample_rate=clip.sample_rate,
        note=sought.note,
        note_s=sought.note_s,
        velocity=render.velocity,
        note_given=prepared.config.note is not None,
        pitch=clip.pitch,
        plays=plays,
        loss=judged.loss if judged else math.nan,
        metrics=metrics,
        re_render_db=_re_render_db(judged, clip.sample_rate),
        candidates=choice.candidates,
        prediction=prepared.prediction,
        predicted=prepared.predicted,
        trace=refined.trace if refined else (),
        evals=evals,
        seconds=time.monotonic() - prepared.began_s,
        warnings=tuple(warnings),
    )


def _within_scale(
    preset: Preset, judged: Judged, label: str, prepared: Prepared, pool: RenderPool
) -> tuple[Preset, Judged, list[str]]:
    """The preset made softer where its peaks would clip, and warnings where it is not as loud as the sound.

    Also at the notes of an octave up and down, for which it gives way by at most `_OCTAVES_DB`: they are not the sound.
    """
    sought, warnings = prepared.sought, []
    over_db = _over_db(judged.sounds, FULL_SCALE)
    octaves = tuple(note for note in (sought.note - 12, sought.note + 12) if 0 <= note <= 127)
    played = pool.render(RenderJob(preset.to_json(), octaves, note_s=sought.note_s))
    if played.audio is not None:
        over_db = max(over_db, min(_over_db(played.audio, FULL_SCALE), _OCTAVES_DB))
    if over_db > 0:
        softest_db, _ = level_range_db(preset)
        preset = with_gain(preset, max(-over_db - _MARGIN_DB, softest_db))
        judged = prepared.judge.judged(Start(label, preset), sought, 0)
    off = judged.distances.get("loudness_difference", math.nan)
    if off > _OFF_LEVEL_DB:
        why = "any louder it would clip" if over_db > 0 else "its volume is at the end of its range"
        warnings.append(f"the preset is {off:.1f} LU louder or softer than the sound: {why}")
    if _over_db(judged.sounds, FULL_SCALE) > 0:
        warnings.append(f"the preset peaks at {_over_db(judged.sounds, 1.0):+.1f} dBFS: turn its volume down")
    return preset, judged, warnings


def _over_db(sounds: Sequence[np.ndarray], most: float) -> float:
    """By how much the highest peak of some sounds lies above another."""
    peak = max(float(np.abs(sound).max()) for sound in sounds)
    return 20 * math.log10(peak / most) if peak > 0 else -math.inf


def _or_silence(audio: np.ndarray | None, like: np.ndarray) -> np.ndarray:
    return np.zeros_like(like) if audio is None else audio


def _re_render_db(judged: Judged | None, sample_rate: int) -> float:
    """MSS between the first render and the others, which differ in the engine's seed alone."""
    if judged is None or len(judged.sounds) < 2:
        return math.nan
    first, *others = judged.sounds
    return float(np.mean(mss(np.stack(others), first, sample_rate)))
