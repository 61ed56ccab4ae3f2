"""Estimates how a sound continues if its note is longer than the analysed clip.

Three things are estimated: how fast the sound falls, when note-off was, and the cycles that an oscillator goes through
meanwhile. The estimates use the last part of the note and, if the recording is longer than the clip, the rest of it.
"""

import dataclasses
from typing import NamedTuple

import numpy as np

from vjax.audio.levels import block_levels_db
from vjax.candidates.resynthesis.fit_table import WINDOW, amplitudes_at
from vjax.vital.wavetables import FRAME

LONGEST_S = 4.0
"""Seconds of the recording after the analysed clip that are used, at most."""

_BLOCK_S = 0.05
_RANGE_DB = 60.0  # a sound this far below its loudest moment has ended
_OVER_DB_S = 60.0  # fall of a sound that has ended: fast, but without a click
_SLOWEST_DB_S = 1.5, 3.0  # a slower fall counts as none: if the recording continues after the clip, and if not
_LEAST_BLOCKS = 4
_OCTAVES_DB = 20.0  # an octave this far below the loudest does not count
_FALLS_S, _POWERS = np.geomspace(0.05, 32, 120), np.geomspace(0.25, 16, 60)
_BENT, _CLEAN_DB = 0.5, 1.0  # a fall is an envelope's if its error is below this share of a line's and below this in dB
LONGEST_FALL_S = 32.0
"""Longest decay of an envelope, seconds."""

_STEEPEST = 30.0  # largest exponent
_POWER = 8.0
_DB = 40 / np.log(10)  # an envelope of exp(-x) is an amplitude of exp(-2 x): this many dB for an x of 1
_NOTE_OFF_S, _NOTE_OFF_DB = 0.5, 12.0  # after note-off, a sound falls by this many dB more in this time than before
_LEAST_S = 0.3  # a shorter continuation does not show how the sound continues
_MOST_GROWTH = 10.0  # largest factor on a harmonic's amplitude after the clip
_FLOOR = 1e-4  # of the loudest harmonic: less is noise


class Fall(NamedTuple):
    """A decay to silence, in the shape of Vital's envelopes.

    Attributes:
      seconds: until the sound is over.
      power: how much faster it falls at first. This is the power of the envelope's decay with the opposite sign.
    """

    seconds: float
    power: float

    def amplitude(self, at_s: np.ndarray) -> np.ndarray:
        """Returns the amplitude of the sound: 1 at 0 s. Before 0 s, the sound fell along the same curve."""
        return _amplitude(at_s, self.seconds, self.power)

    def begun(self, before_s: float) -> "Fall":
        """Returns the same fall, begun `before_s` earlier."""
        seconds = min(self.seconds + before_s, LONGEST_FALL_S)
        return Fall(seconds, self.power / self.seconds * seconds)


@dataclasses.dataclass(frozen=True, eq=False)
class Sustain:
    """How a sound continues if its note is longer.

    Attributes:
      fall: how the level falls from the end of the note on; None if the level stays.
      after: float32 [2, samples], the recording after the clip up to note-off; empty if there is none.
      note_off_s: seconds from the beginning of the clip to note-off; None if the recording does not show it.
    """

    fall: Fall | None
    after: np.ndarray
    note_off_s: float | None


@dataclasses.dataclass(frozen=True)
class Lines:
    """The harmonics from 1 to `n` of `frequency_hz`."""

    frequency_hz: float
    n: int
    sample_rate: int


def sustain_of(audio: np.ndarray, after: np.ndarray | None, sample_rate: int, note_s: float) -> Sustain:
    """Estimates how a sound continues.

    Args:
      audio: float32 [2, samples], the analysed clip.
      after: float32 [2, m], the recording after it; None or empty if there is none, or if note-off is in the clip.
      note_s: time of note-off, or the end of the clip.
    """
    samples = audio.shape[1]
    whole = audio if after is None else np.concatenate([audio, after], 1)
    end_s = note_off_s = None
    if whole.shape[1] > samples:
        note_off_s = note_off_after(whole, sample_rate, samples / sample_rate)
        end_s = whole.shape[1] / sample_rate if note_off_s is None else note_off_s - 2 * _BLOCK_S  # without the release
        end_s = min(end_s, samples / sample_rate + LONGEST_S)
    if end_s is None or end_s < note_s + _LEAST_S:
        return Sustain(fall_of(whole, sample_rate, note_s / 4, note_s, _SLOWEST_DB_S[1]), whole[:, :0], note_off_s)
    fall = fall_of(whole, sample_rate, note_s - _LEAST_S, end_s, _SLOWEST_DB_S[0])
    return Sustain(fall and fall.begun(end_s - note_s), whole[:, samples : round(end_s * sample_rate)], note_off_s)


def fall_of(audio: np.ndarray, sample_rate: int, from_s: float, to_s: float, slowest_db_s: float) -> Fall | None:
    """Estimates how a sound [channels, samples] falls in a stretch and after it; None if no steady fall is clear.

    The sound must fall in most octaves. Otherwise it only beats. If the level is clearly nearer to the curve of an
    envelope than to a straight line in dB, the result is that curve. Else it is nearly a straight line in dB.
    """
    first, last = int(from_s / _BLOCK_S), int(to_s / _BLOCK_S)
    loudest = block_levels_db(audio, sample_rate, _BLOCK_S).max()
    stretch = audio[:, round(first * _BLOCK_S * sample_rate) : round(last * _BLOCK_S * sample_rate)]
    level_db = block_levels_db(stretch, sample_rate, _BLOCK_S)
    if len(level_db) < _LEAST_BLOCKS:
        return None
    present = np.logical_and.accumulate(level_db > loudest - _RANGE_DB)  # what comes after its end is noise
    n = int(present.sum())
    if n < _LEAST_BLOCKS:
        return exponential(_OVER_DB_S)
    at_s = _BLOCK_S * (np.arange(n) + 0.5 - len(level_db))  # relative to the end of the stretch
    octaves_db = _octaves_db(stretch, sample_rate)[:, :n]
    octaves_db = octaves_db[octaves_db.mean(1) > octaves_db.mean(1).max() - _OCTAVES_DB]
    slopes = np.polyfit(at_s, octaves_db.T, 1)[0]
    slope, end_db = np.polyfit(at_s, level_db[:n], 1)
    last_slope = np.polyfit(at_s[n // 2 :], level_db[n // 2 : n], 1)[0]
    if max(np.quantile(slopes, 0.75, method="higher"), slope, last_slope) > -slowest_db_s:
        return None
    straight = np.std(level_db[:n] - slope * at_s - end_db)
    seconds, powers = (grid.reshape(-1, 1) for grid in np.meshgrid(_FALLS_S, _POWERS))
    errors = np.std(level_db[:n] - 20 * np.log10(_amplitude(at_s, seconds, powers)), 1)
    best = errors.argmin()
    if errors[best] < min(_BENT * straight, _CLEAN_DB):
        return Fall(float(seconds[best, 0]), float(powers[best, 0]))
    return exponential(-float(last_slope))


def _amplitude(at_s: np.ndarray, seconds: float | np.ndarray, power: float | np.ndarray) -> np.ndarray:
    """Computes `Fall.amplitude`. The arguments broadcast."""
    x = np.maximum(np.minimum(at_s / seconds, 1), -_STEEPEST / power)
    left = (np.exp(-power * x) - np.exp(-power)) / -np.expm1(-power)
    return np.maximum(left, 1e-5) ** 2


def exponential(db_s: float) -> Fall:
    """Returns a fall that is nearly a straight line in dB, by an envelope with a high power."""
    seconds = min(_POWER * _DB / db_s, LONGEST_FALL_S)
    return Fall(seconds, seconds * db_s / _DB)


def _octaves_db(audio: np.ndarray, sample_rate: int) -> np.ndarray:
    """Returns the mean power [8, n] in dB of the octaves from 60 Hz up, block by block."""
    size = round(_BLOCK_S * sample_rate)
    blocks = audio[:, : audio.shape[1] // size * size].reshape(len(audio), -1, size)
    power = (np.abs(np.fft.rfft(blocks * np.hanning(size))) ** 2).mean(0)
    edges = np.minimum(np.rint(60 * 2.0 ** np.arange(9) * size / sample_rate).astype(int), power.shape[1] - 1)
    return 10 * np.log10(np.add.reduceat(power, edges, 1)[:, :-1].T + 1e-12)


def note_off_after(audio: np.ndarray, sample_rate: int, from_s: float) -> float | None:
    """Returns when, after `from_s`, a sound [channels, samples] begins to fall as after note-off; None if it does not.

    From there the sound falls by 12 dB more in half a second than in the half second before.
    """
    level_db = block_levels_db(audio, sample_rate, _BLOCK_S)
    level_db = np.maximum(level_db, level_db.max() - _RANGE_DB)
    n = round(_NOTE_OFF_S / _BLOCK_S)
    for at in range(round(from_s / _BLOCK_S), len(level_db) - 2):
        before = max(level_db[max(at - n, 0)] - level_db[at], 0.0)
        behind = level_db[at : at + 1 + n]
        if level_db[at] - behind.min() > before + _NOTE_OFF_DB:
            lower = np.flatnonzero(behind < level_db[at] - before - _NOTE_OFF_DB / 4)
            return float((at + lower[0]) * _BLOCK_S)
    return None


def sustain_cycles(
    cycles: np.ndarray, n: int, hold: float, step_s: float, sound: np.ndarray, lines: Lines, sustain: Sustain
) -> tuple[np.ndarray, float]:
    """Returns cycles that continue from the one where a sweep stays. They do not fall: the amplitude envelope does.

    If the recording contains the continuation of the sound, the cycles are the mean of the last cycles, changed as the
    spectrum of the sound changes after the clip. Otherwise they are the last cycles in reverse order.

    Args:
      cycles: [frames, 2048] of the sweep.
      n: how many cycles to return.
      hold: the cycle where the sweep stays; a fraction lies between two.
      step_s: seconds from one cycle to the next.
      sound: float32 [samples], the sound to which the cycles were fitted, followed by its continuation, if recorded.
      lines: the lines that were fitted.
      sustain: how the sound continues.

    Returns:
      [n, 2048] float32, and seconds from the first of them to the last.
    """

    def gone(at_s: np.ndarray) -> np.ndarray:
        return (sustain.fall.amplitude(at_s) if sustain.fall else np.ones(len(at_s)))[:, None]

    def levelled(at: np.ndarray) -> np.ndarray:
        """Returns the spectra [m, 1025] of the cycles there, as loud as the sound is where the sweep stays."""
        spectra = np.fft.rfft(cycles[np.rint(at).astype(int)])
        return spectra / gone(step_s * (at - hold))

    m = sustain.after.shape[1]
    if not m:
        back = np.linspace(0, min(n - 1, hold / 2), n)
        return np.fft.irfft(levelled(hold - back), FRAME).astype(np.float32), float(back[-1] * step_s)
    clip = len(sound) - m
    before = np.linspace(clip - _LEAST_S * lines.sample_rate, clip - WINDOW / 2, 8)
    behind = np.linspace(clip, len(sound) - WINDOW / 2, n)
    centres = np.concatenate([before, behind])
    found = amplitudes_at(sound, lines.sample_rate, lines.frequency_hz, lines.n, centres.astype(int))
    found /= gone((centres - clip) / lines.sample_rate)
    usual, found = np.sqrt((found[:8] ** 2).mean(0)), found[8:]
    least = _FLOOR * usual.max() + 1e-12
    ratio = np.ones((n, FRAME // 2 + 1))
    ratio[:, 1 : lines.n + 1] = np.minimum((found + least) / (usual + least), _MOST_GROWTH)
    ratio[:, lines.n + 1 :] = np.sqrt((ratio[:, lines.n // 2 + 1 : lines.n + 1] ** 2).mean(1, keepdims=True))
    last = levelled(np.linspace(max(hold - _LEAST_S / step_s, 0), hold, 8))
    mean = np.sqrt((np.abs(last) ** 2).mean(0)) * np.exp(1j * np.angle(last[-1]))
    return np.fft.irfft(ratio * mean, FRAME).astype(np.float32), float((behind[-1] - clip) / lines.sample_rate)
