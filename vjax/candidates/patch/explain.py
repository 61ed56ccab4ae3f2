"""Explains a sound as patches: fits skeletons, writes them as presets, and corrects them by their renders."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vjax.audio.clip import Clip
from vjax.audio.pitch import midi_to_hz
from vjax.candidates.patch.attempts import Attempt, Ground, complexity_db, corrected, played, solved, spectrogram_of
from vjax.candidates.patch.finish import finished
from vjax.candidates.patch.fit import fit
from vjax.candidates.patch.hold import with_fall
from vjax.candidates.patch.model import axes_of
from vjax.candidates.patch.modules import with_best_rhythm, with_modules
from vjax.candidates.patch.pitch_curve import pitch_curve
from vjax.candidates.patch.pitch_track import pitch_track
from vjax.candidates.patch.spectrogram import FLOOR_DB, Spectrogram, spectrogram
from vjax.candidates.patch.tracking import with_key_tracking
from vjax.candidates.resynthesis.sustain import sustain_of
from vjax.engine.pool import RenderPool
from vjax.search.candidate import Candidate, Kind
from vjax.search.target import Sought
from vjax.vital.preset import Preset
from vjax.vital.values import value_of, with_values

_DENSITIES, _UNPITCHED_DENSITIES = (1, 4), (4, 16)  # lines per harmonic: more lines can play inharmonic sounds
_LOWEST = 12.0  # MIDI pitch of a table's first line
_TRANSPOSE = 48  # semitones, osc_N_transpose
_NARROW = 0.03  # of the middle's power: less at the sides is hardly audible
_KEPT = (8, 4, 2)  # patches that are corrected in each round
_SKELETONS, _SKELETONS_OF_TWO = 6, 4  # fitted skeletons that are played, on one ground or on each of two
_OVER_FLOOR_DB = 5.0
_HEADROOM_DB = 8.0  # of the volume: 12 dB above its default, minus what velocity needs


class Explained(NamedTuple):
    """Patches of a sound, the best first, and the number of renders that they took."""

    candidates: list[Candidate]
    evals: int


def explain(clip: Clip, pool: RenderPool, note: int) -> Preset:
    """Returns the best patch of a clip. Its note is as long as in `pool`'s config.

    Raises ValueError if the engine cannot play any patch of it.
    """
    config = pool.config
    pitch = clip.pitch if clip.pitch.clear else None
    sought = Sought(clip.stereo(config.samples), note, config.note_s, clip.sample_rate, pitch)
    found = explained(sought, pool, clip.title, most=1).candidates
    if not found:
        raise ValueError(f"{clip.name}: the engine could not play any of its patches at note {note}; give another note")
    return found[0].preset


def explained(
    sought: Sought,
    pool: RenderPool,
    name: str,
    most: int = 3,
    others: Sequence[Sought] = (),
    after: np.ndarray | None = None,
) -> Explained:
    """Returns at most `most` patches that explain a sound. This takes a few dozen renders.

    Each patch is ready for a musician, see `vjax.candidates.patch.finish`.

    Args:
      name: of the presets.
      others: further recordings of the instrument at other notes. They decide how the filter follows the keyboard.
      after: float32 [2, m], the rest of the recording. It shows how the sound continues to fall if note-off is not in
        the sound itself.
    """
    sound = spectrogram(sought.audio, sought.sample_rate)
    middle, side = sought.audio.mean(0), (sought.audio[0] - sought.audio[1]) / 2
    channels = middle[None] if np.sum(side**2) < _NARROW * np.sum(middle**2) else sought.audio
    grounds = _grounds(sought, sound)
    attempts = []
    for ground in grounds:
        fitted = sorted(fit(sound, ground.axes), key=lambda one: one.error_db + complexity_db(one.skeleton))
        for one in fitted[: _SKELETONS if len(grounds) == 1 else _SKELETONS_OF_TWO]:
            for density in _DENSITIES if sought.pitch else _UNPITCHED_DENSITIES:
                midi = _first_line(ground.midi, density, sought.note)
                attempts.append(Attempt(one, ground, midi, solved(one, channels, sought.sample_rate, ground, midi)))
    done: list[Attempt] = []
    for kept in _KEPT:
        attempts = sorted(played(attempts, sought, pool, name), key=lambda one: one.distance_db)
        done += attempts
        attempts = corrected([one for one in attempts if one.audio is not None][:kept], sound, sought)
    done += played(attempts, sought, pool, name)
    best: dict[str, Attempt] = {}
    for one in sorted(done, key=lambda one: one.distance_db):
        if one.audio is not None:
            best.setdefault(one.label, one)
    continues = after is not None and sought.note_s >= pool.config.seconds
    fall = sustain_of(sought.audio, after, sought.sample_rate, sought.note_s).fall if continues else None
    evals = len(done)
    ready = []
    for one in list(best.values())[:most]:
        looped = with_best_rhythm(_loud_enough(one, sought), spectrogram_of(one, sought), sound, sought, pool)
        evals += looped.evals
        cost_db = complexity_db(one.fit.skeleton)
        ready.append((looped.distance_db + cost_db, ", ".join([one.label, *looped.modules]), looped.preset))
    ready.sort(key=lambda one: one[0])
    found = []
    for i, (_, label, preset) in enumerate(ready):
        if i == 0:
            better = with_modules(preset, sought, pool)
            preset, evals = better.preset, evals + better.evals
            label = ", ".join([label, *better.modules])
        tracked = with_key_tracking(with_fall(preset, fall, sought.note_s), sought.note, others, pool)
        evals += tracked.evals
        preset = finished(tracked.preset, sought.note, pool.config.velocity, name)
        found.append(Candidate(label, preset, kind=Kind.PATCH))
    return Explained(found, evals)


def _grounds(sought: Sought, sound: Spectrogram) -> list[Ground]:
    """Returns a ground with a steady pitch and, if the pitch of the sound moves, one with that movement."""
    midi = sought.pitch.midi if sought.pitch is not None else float(sought.note)
    curve = pitch_curve(pitch_track(sought.audio, sought.sample_rate), midi, sought.note_s)
    grounds = []
    for moves in (None, curve) if curve else (None,):
        pitch = moves.reference_midi if moves else midi
        moved = moves.semitones(sound.time_s) if moves else None
        axes = axes_of(sound.time_s, sound.band_hz, sought.note_s, _audible(sound, pitch), moved)
        grounds.append(Ground(pitch, moves, axes))
    return grounds


def _audible(sound: Spectrogram, midi: float) -> np.ndarray:
    """Returns [bands] bool: above the floor at some time, and at most half an octave below the pitch.

    If these are too few, all bands count.
    """
    above = (sound.db > FLOOR_DB + _OVER_FLOOR_DB).any(0)
    pitched = above & (sound.band_hz > midi_to_hz(midi - 6))
    return pitched if pitched.sum() > 3 else np.ones_like(above)


def _first_line(midi: float, density: int, note: int) -> float:
    """Returns the MIDI pitch of a table with `density` lines per harmonic.

    It is moved by octaves until it is not too low and an oscillator can be transposed to it.
    """
    midi -= 12 * math.log2(density)
    lowest = max(_LOWEST, note - _TRANSPOSE)
    return midi + 12 * max(math.ceil((lowest - midi) / 12), 0) - 12 * max(math.ceil((midi - note - _TRANSPOSE) / 12), 0)


def _loud_enough(one: Attempt, sought: Sought) -> Preset:
    """Returns the preset with oscillators so loud that the volume can reach the sound's level, with some headroom."""
    missing_db = one.missing_db(sought) - _HEADROOM_DB
    if missing_db <= 0:
        return one.written
    names = [f"osc_{i + 1}_level" for i in range(len(one.powers))]
    levels = [value_of(one.written, name) for name in names]
    gain = min(10 ** (missing_db / 40), 1 / max(*levels, 1e-3))  # a level is the square of its parameter
    return with_values(one.written, {name: level * gain for name, level in zip(names, levels, strict=True)})
