"""The second half of a match: renders the chosen preset again, and describes the preset that is to be written."""

import dataclasses
import math
import time
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from vjax.audio.distances import mss
from vjax.audio.loudness import loudness_lufs
from vjax.audio.metric_names import METRICS
from vjax.audio.pitch import Pitch, detect_pitch, note_name
from vjax.engine.pool import MACHINE_REMEDY, RenderJob, RenderPool
from vjax.matching.comment import comment, style_of
from vjax.matching.preferred import CLOSEST, FAR_DB
from vjax.matching.prepare import Prepared
from vjax.matching.result import Comparison, FoundPreset, MatchResult
from vjax.search.candidate import WRONG_NOTE_SEMITONES, Candidate
from vjax.search.judge import Judged
from vjax.search.refine import Refined
from vjax.vital.level import level_range_db, with_gain

FULL_SCALE = 10 ** (-0.1 / 20)
"""The highest peak that a written preset may have: a converter clips samples above 1."""

_OCTAVES_DB = 1.5
_MARGIN_DB = 0.05  # the volume's float32 rounds a gain, and `with_gain` ignores a smaller one
_OFF_LEVEL_DB = 1.0  # a larger difference in level gets a warning


def finish(prepared: Prepared, pool: RenderPool, refined: Refined | None = None) -> MatchResult:
    """Renders the preferred candidate, or the result of a search, again, and describes the preset to be written.

    The closest candidate, if it is another one, is judged in the same way. Raises ValueError if the search had no
    result.
    """
    clip, sought, choice = prepared.clip, prepared.sought, prepared.choice
    if refined is not None and refined.error:
        raise ValueError(refined.error)
    warnings = _notes(prepared) + _lost(choice.candidates)
    if prepared.config.note is None and not clip.pitch.clear:
        warnings.append(
            f"the sound has no clear pitch, so {note_name(sought.note)} is assumed; if it has a note, give it by --note"
        )
    chosen, why = prepared.preferred
    evals = refined.evals if refined else choice.evals
    closest = None
    if chosen is None:
        first = choice.as_played[0]
        found = _described(first, [], first.audio, prepared)
        warnings.append(f"no candidate is audible; {first.label!r} is written: {first.error}")
    else:
        candidate = chosen
        if refined:
            assert refined.preset is not None, "a search without an error has a preset"
            candidate = Candidate(refined.label, refined.preset, kind=refined.kind)
        method = candidate.label
        if refined and refined.trace[1:]:
            method += f", after a search of {evals} renders"
        found, off_level = _judged(candidate, prepared, pool, method=method)
        warnings += [why] * bool(why) + off_level
        if sought.pitch is not None and _rank(found, sought.pitch)[0]:
            warnings.append(f"the preset plays {found.plays.name} where the sound has {sought.pitch.name}")
        if choice.best is not None and choice.best is not chosen:
            closest, off_level = _judged(choice.best, prepared, pool, CLOSEST)
            if _rank(closest, sought.pitch) < _rank(found, sought.pitch):
                warnings += [f"{CLOSEST}: {warning}" for warning in off_level]
            else:  # `found` is closer: by the search, or with other random phases
                closest = None
    if prepared.config.prefer != "closest" and found.kind.family != "resynthesis" and found.mean_mss_db > FAR_DB:
        nearest = f"; the closest candidate, {closest.label!r}, is at {closest.mean_mss_db:.1f} dB" if closest else ""
        warnings.append(
            f"no editable preset comes near the sound: this one is {found.mean_mss_db:.1f} dB MSS away{nearest}"
        )
    return MatchResult(
        name=clip.name,
        target=sought.audio,
        sample_rate=clip.sample_rate,
        note=sought.note,
        note_s=sought.note_s,
        velocity=pool.config.velocity,
        note_given=prepared.config.note is not None,
        pitch=clip.pitch,
        closest=closest,
        candidates=choice.candidates,
        prediction=prepared.prediction,
        predicted=prepared.predicted,
        trace=refined.trace if refined else (),
        evals=evals,
        seconds=time.monotonic() - prepared.began_s,
        warnings=tuple(warnings),
        **vars(found),
    )


def _notes(prepared: Prepared) -> list[str]:
    """What was changed in the recordings, named if there are several."""
    several = len(prepared.recordings) > 1
    return [f"{one.clip.name}: {note}" if several else note for one in prepared.recordings for note in one.clip.notes]


def _lost(candidates: Sequence[Candidate]) -> list[str]:
    """A warning if candidates could not compete, because of the machine and not because of their presets."""
    lost = [one for one in candidates if one.by_machine]
    if not lost:
        return []
    names = ", ".join(one.label for one in lost[:3]) + (f" and {len(lost) - 3} more" if lost[3:] else "")
    return [
        f"{len(lost)} of {len(candidates)} candidates could not be rendered on this machine ({names}): "
        f"{lost[0].error}. {MACHINE_REMEDY}, and match the sound again"
    ]


def _judged(
    candidate: Candidate, prepared: Prepared, pool: RenderPool, which: str = "", method: str = ""
) -> tuple[FoundPreset, list[str]]:
    """A candidate judged by settled renders with several seeds, its peaks within full scale; and level warnings."""
    judged, warnings = _beside_each(candidate, prepared), []
    if prepared.config.level:
        judged, warnings = _within_scale(judged, prepared, pool)
    candidate = dataclasses.replace(candidate, preset=judged[0].preset)
    return _described(candidate, judged, judged[0].audio, prepared, which, method), warnings


def _beside_each(candidate: Candidate, prepared: Prepared) -> list[Judged]:
    """A preset compared with each recording."""
    return [one.judge.judged(candidate, one.sought, 0) for one in prepared.recordings]


def _described(
    candidate: Candidate,
    judged: Sequence[Judged],
    audio: np.ndarray | None,
    prepared: Prepared,
    which: str = "",
    method: str = "",
) -> FoundPreset:
    """A preset with its name, style, comment and measurements. Without `judged`, its loss and metrics are NaN.

    Args:
      judged: the preset compared with each recording.
      which: added to its name, in brackets.
      method: how it was found; by default its label.
    """
    clip, sought = prepared.clip, prepared.sought
    first = judged[0] if judged else None
    metrics: Mapping[str, float] = first.distances if first else dict.fromkeys(METRICS, math.nan)
    method = method or candidate.label
    if prepared.recordings[1:]:
        beside = " and ".join(f"{one.clip.title!r} at {note_name(one.sought.note)}" for one in prepared.recordings[1:])
        method = f"{method}, the best for {beside} as well"
    audio = np.zeros_like(sought.audio) if audio is None else audio
    pitched = prepared.config.note is not None or clip.pitch.clear
    preset = dataclasses.replace(
        candidate.preset,
        name=f"{clip.title} ({which})" if which else clip.title,
        author=candidate.preset.author or "vjax",
        style=style_of(sought.audio, clip.sample_rate, sought.note, sought.note_s, pitched),
        comments=comment(clip.title, sought.note, sought.note_s, method, metrics, candidate.preset.comments),
    )
    return FoundPreset(
        preset=preset,
        label=candidate.label,
        kind=candidate.kind,
        audio=audio,
        plays=detect_pitch(audio, clip.sample_rate),
        loss=first.loss if first else math.nan,
        metrics=metrics,
        re_render_db=_re_render_db(first, clip.sample_rate),
        recordings=_comparisons(judged, prepared) if prepared.recordings[1:] else (),
    )


def _comparisons(judged: Sequence[Judged], prepared: Prepared) -> tuple[Comparison, ...]:
    return tuple(
        Comparison(each.clip.name, each.sought.note, each.sought.note_s, one.audio, one.loss, one.distances)
        for each, one in zip(prepared.recordings, judged, strict=bool(judged))
    )


def _rank(found: FoundPreset, pitch: Pitch | None) -> tuple[bool, float]:
    """Sort key as in `rank_key`: wrong notes last, then by loss. `pitch` is None if candidates are not tuned."""
    if pitch is None or not found.plays.clear:
        return False, found.mean_loss
    return abs(found.plays.midi - pitch.midi) > WRONG_NOTE_SEMITONES, found.mean_loss


def _within_scale(judged: list[Judged], prepared: Prepared, pool: RenderPool) -> tuple[list[Judged], list[str]]:
    """The preset compared with each recording, made softer if its peaks would clip; and warnings about its level.

    The notes an octave below and above count as well. For these it is made softer by at most `_OCTAVES_DB`, because
    they are not part of the sound. It warns if the preset is not as loud as the sound, or if its peaks still clip.
    """
    sought, preset, warnings = prepared.sought, judged[0].preset, []
    over_db = max(_over_db(one.sounds, FULL_SCALE) for one in judged)
    octaves = tuple(note for note in (sought.note - 12, sought.note + 12) if 0 <= note <= 127)
    played = pool.render(RenderJob(preset.to_json(), octaves, note_s=sought.note_s))
    if played.audio is not None:
        over_db = max(over_db, min(_over_db(played.audio, FULL_SCALE), _OCTAVES_DB))
    if over_db > 0:
        softest_db, _ = level_range_db(preset)
        preset = with_gain(preset, max(-over_db - _MARGIN_DB, softest_db))
        judged = _beside_each(Candidate(judged[0].label, preset, kind=judged[0].kind), prepared)
    off = judged[0].distances.get("loudness_difference", math.nan)
    if off > _OFF_LEVEL_DB:
        softer = loudness_lufs(judged[0].audio, pool.config.sample_rate) < loudness_lufs(
            sought.audio, pool.config.sample_rate
        )
        why = "at a higher volume it would clip" if softer and over_db > 0 else "its volume is at the end of its range"
        warnings.append(f"the preset is {off:.1f} LU {'softer' if softer else 'louder'} than the sound: {why}")
    if max(_over_db(one.sounds, FULL_SCALE) for one in judged) > 0:
        peak_db = max(_over_db(one.sounds, 1.0) for one in judged)
        warnings.append(f"the preset peaks at {peak_db:+.1f} dBFS: turn its volume down")
    return judged, warnings


def _over_db(sounds: Iterable[np.ndarray], most: float) -> float:
    """By how many dB the highest peak of some sounds lies above `most`."""
    peak = max(float(np.abs(sound).max()) for sound in sounds)
    return 20 * math.log10(peak / most) if peak > 0 else -math.inf


def _re_render_db(judged: Judged | None, sample_rate: int) -> float:
    """MSS between the first render and the others, which differ only in the engine's seed."""
    if judged is None or len(judged.sounds) < 2:
        return math.nan
    first, *others = judged.sounds
    return float(np.mean(mss(np.stack(others), first, sample_rate)))
