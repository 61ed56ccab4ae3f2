"""Whether a sound consists of several notes, such as a chord.

The partials of one note lie at multiples of its pitch. A chord has a second series of partials beside the strongest
one. It also has a common period, which is that of a low note without its first partials.
"""

import numpy as np
from scipy.signal import find_peaks

from vjax.audio.pitch import Pitch

SHARE = 0.4
"""A second note needs at least this share of the salience of the first one. Single notes of synthesizers reach 0.34."""

_TONAL = 0.35  # the least share of all strengths that two notes have; two series in noise have up to 0.2

_WINDOW_S = 0.37
_RANGE_DB = 40.0  # partials this far below the strongest are left out
_ABOVE_DB = 10.0  # a partial stands out from its surroundings by this much
_LOWEST_HZ, _HIGHEST_HZ, _CEILING_HZ = 40.0, 1500.0, 6000.0  # pitches, and the highest partial
_NEAR, _NEAR_SPACING = 0.01, 0.06  # a partial belongs to a multiple within this share of it, and of the pitch
_FIRST_TWO = 2.5  # times the pitch: the lowest partial of a note is below
_LEAST_PARTIALS = 3  # of a second note


def has_several_pitches(audio: np.ndarray, sample_rate: int, pitch: Pitch) -> bool:
    """Returns whether a sound [channels, samples] with the detected pitch `pitch` consists of several notes.

    If the pitch is clear and has one of its first two partials, it is the first note, else the strongest series of
    partials is. The partials that are left must contain a second note: at least three partials, among them the first
    two. Without these, they can lie at multiples of some pitch by chance, as those of a cymbal or a bell.

    Notes whose partials all lie at multiples of the lowest one, such as its octave, cannot be found. For most fifths
    this is so too, because their common period is an octave below.
    """
    frequencies_hz, strengths = _partials(audio, sample_rate)
    if not len(frequencies_hz):
        return False
    if pitch.clear and frequencies_hz[0] < _FIRST_TWO * pitch.frequency_hz:
        numbers, salience = _series(frequencies_hz, strengths, pitch.frequency_hz)
    else:
        numbers, salience = _strongest(frequencies_hz, strengths)
        if not {1, 2} <= set(numbers):
            return False
    left = numbers == 0
    others, second = _strongest(frequencies_hz[left], strengths[left])
    tonal = 1 - strengths[left][others == 0].sum() / strengths.sum()
    found = set(others) - {0}
    return bool(second >= SHARE * salience and tonal >= _TONAL and {1, 2} <= found and len(found) >= _LEAST_PARTIALS)


def _partials(audio: np.ndarray, sample_rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Frequencies in Hz and strengths (roots of amplitudes) [n] of the peaks of the average spectrum."""
    size = round(_WINDOW_S * sample_rate)
    padded = np.pad(audio, ((0, 0), (0, max(size - audio.shape[1], 0))))
    frames = np.lib.stride_tricks.sliding_window_view(padded, size, 1)[:, :: size // 4]
    power = (np.abs(np.fft.rfft(frames * np.hanning(size), 4 * size)) ** 2).mean((0, 1))
    frequency_hz = np.fft.rfftfreq(4 * size, 1 / sample_rate)
    level_db = 10 * np.log10(power + 1e-20)
    within = (frequency_hz >= _LOWEST_HZ) & (frequency_hz <= _CEILING_HZ)
    level_db, frequency_hz = level_db[within], frequency_hz[within]
    floor_db = level_db.max() - _RANGE_DB
    peaks, _ = find_peaks(level_db, height=floor_db, prominence=_ABOVE_DB)
    return frequency_hz[peaks], 10 ** ((level_db[peaks] - level_db.max()) / 40)


def _strongest(frequencies_hz: np.ndarray, strengths: np.ndarray) -> tuple[np.ndarray, float]:
    """The `_series` with the largest salience."""
    best = np.zeros(len(frequencies_hz), int), 0.0
    for pitch_hz in sorted({frequency / k for frequency in frequencies_hz for k in (1, 2, 3)}):
        if _LOWEST_HZ <= pitch_hz <= _HIGHEST_HZ:
            best = max(best, _series(frequencies_hz, strengths, pitch_hz), key=lambda found: found[1])
    return best


def _series(frequencies_hz: np.ndarray, strengths: np.ndarray, pitch_hz: float) -> tuple[np.ndarray, float]:
    """The number of each partial in the series of a pitch, [n] int, 0 outside of it; and the salience of the series.

    The salience is the sum of the strengths, each divided by its number. So a pitch wins over an octave below it, which
    has the same partials with larger numbers.
    """
    number = np.maximum(np.round(frequencies_hz / pitch_hz), 1).astype(int)
    near = np.abs(frequencies_hz / (number * pitch_hz) - 1) <= np.minimum(_NEAR, _NEAR_SPACING / number)
    return np.where(near, number, 0), float((strengths / number)[near].sum())
