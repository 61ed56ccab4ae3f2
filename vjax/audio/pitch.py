"""Pitch detection with Praat's pitch tracker, and names of notes.

Praat's autocorrelation method (Boersma 1993, IFA Proceedings 17) tracks the pitch through the frames of a sound. The
result is the pitch on which most of the sound agrees. For a plateau between glides, this is the pitch of the plateau,
not the mean over the glides.
"""

import dataclasses
import math
import re

import numpy as np

from vjax.audio.files import AudioError

FLOOR_HZ = 27.0
"""Just under A0, the lowest key of a piano. Praat's analysis window is three periods of it, 0.11 s."""

CEILING_HZ = 2500.0
"""Above C7 (MIDI 96, 2093 Hz).

It is not higher, because white noise over a low sine can be detected as a note near the ceiling.
"""

STEP_S = 0.02
"""Time between frames. Half of it takes twice the time and changes no measured number by more than 1 %."""

NEAR_SEMITONES = 0.5
"""Frames within this distance of a note agree on it."""

CLEAR = 0.5
"""Lowest confidence of a clear pitch. Callers ignore a pitch that is not clear."""

_HARMONIC_WIDTH = 0.03  # share of a harmonic's frequency: largest distance at which power belongs to the harmonic
_NEARLY_ALL = 0.99  # share of the power

_NOTE_NAMES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
_ACCIDENTALS = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}
_WRITTEN_NOTE = re.compile(r"([A-Ga-g])([#♯b♭]?)(-?[0-9]{1,2})")


@dataclasses.dataclass(frozen=True)
class Pitch:
    """The pitch of a sound.

    `frequency_hz` and `midi` (a fractional MIDI note, 69 = 440 Hz) are NaN if the sound has no pitch.

    `confidence` in [0, 1] is the share of the sound, by amplitude, that agrees with this pitch, times the periodicity
    of that share. It was measured on 115 musicians' presets, each rendered at two notes an octave apart. The detected
    pitches were an octave apart in 96 % of the pairs with a confidence of at least 0.5, and in 33 % of the others.
    """

    frequency_hz: float
    midi: float
    confidence: float

    @property
    def clear(self) -> bool:
        """Whether the confidence is at least `CLEAR`."""
        return self.confidence >= CLEAR

    @property
    def note(self) -> int | None:
        """The nearest MIDI note, or None."""
        return None if math.isnan(self.midi) else round(self.midi)

    @property
    def name(self) -> str:
        """The note's name, such as "F#3", where C4 is MIDI note 60; "none" without a pitch."""
        return "none" if self.note is None else note_name(self.note)


def detect_pitch(audio: np.ndarray, sample_rate: int) -> Pitch:
    """Estimates the pitch of `audio` ([channels, samples] or [samples], float), between `FLOOR_HZ` and `CEILING_HZ`.

    A pitch above `CEILING_HZ`, up to four times as high, is also found if nearly all power lies at its harmonics.

    A chord gets the pitch of the shortest period that fits all its notes. A drum or noise gets a low confidence. Two
    octaves of one note cannot be distinguished from one sound with overtones; the lower octave is returned.

    Raises:
      AudioError: `audio` has another shape, no samples, or NaN or infinite samples.
    """
    import parselmouth  # imported here, because it takes 0.1 s

    audio = np.atleast_2d(np.asarray(audio, np.float64))
    if audio.ndim != 2 or not audio.size:
        raise AudioError(f"audio has shape {audio.shape}; expected [channels, samples] with at least one sample")
    if audio.shape[0] > audio.shape[1]:
        raise AudioError(f"audio has shape {audio.shape}; expected [channels, samples]. Give audio.T")
    if not np.isfinite(audio).all():
        raise AudioError(f"{np.count_nonzero(~np.isfinite(audio))} of {audio.size} samples are NaN or infinite")
    # Praat's first and last frames lie half a window inside the sound, where a pluck has ended. So pad both ends.
    margin = math.ceil(1.5 / FLOOR_HZ * sample_rate) + 1
    sound = parselmouth.Sound(np.pad(audio, ((0, 0), (margin, margin))), sample_rate)
    track = sound.to_pitch_ac(time_step=STEP_S, pitch_floor=FLOOR_HZ, pitch_ceiling=CEILING_HZ)
    frequency_hz, strength = track.selected_array["frequency"], track.selected_array["strength"]
    amplitude = np.array([frame.intensity for frame in track])
    voiced = frequency_hz > 0  # Praat sets 0 in frames without a pitch
    if not voiced.any():
        return Pitch(math.nan, math.nan, 0.0)
    midi = 69 + 12 * np.log2(frequency_hz[voiced] / 440)
    weight = (amplitude * strength)[voiced]
    near = np.abs(midi - _most_supported(midi, weight)) <= NEAR_SEMITONES
    estimate = float(np.average(midi[near], weights=weight[near]))
    confidence = float(np.clip(weight[near].sum() / amplitude.sum(), 0, 1))
    estimate += 12 * math.log2(_lowest_harmonic(audio, sample_rate, midi_to_hz(estimate)))
    return Pitch(midi_to_hz(estimate), estimate, confidence)


def _lowest_harmonic(audio: np.ndarray, sample_rate: int, frequency_hz: float) -> int:
    """Returns the n (4, 3 or 2) for which nearly all power lies at multiples of n times a pitch; else 1.

    The true pitch is then n times as high. Only a pitch whose double exceeds `CEILING_HZ` is checked.
    """
    if 2 * frequency_hz <= CEILING_HZ:
        return 1
    power = (np.abs(np.fft.rfft(audio * np.hanning(audio.shape[1]))) ** 2).sum(0)
    number = np.fft.rfftfreq(audio.shape[1], 1 / sample_rate) / frequency_hz
    for n in (4, 3, 2):
        nearest = n * np.maximum(np.round(number / n), 1)
        if power[np.abs(number - nearest) < _HARMONIC_WIDTH * nearest].sum() > _NEARLY_ALL * power.sum():
            return n
    return 1


def note_name(midi: int) -> str:
    """The name of a MIDI note, such as "F#3", where C4 is MIDI note 60."""
    return f"{_NOTE_NAMES[midi % 12]}{midi // 12 - 1}"


def parse_note(text: str) -> int:
    """Reads a MIDI note from a name ("C2", "F#3", "Bb1", "C-1"; C4 is 60) or a number ("36").

    Raises:
      ValueError: the text is neither, or the note is outside of 0 (C-1) to 127 (G9).
    """
    text = text.strip()
    if written := _WRITTEN_NOTE.fullmatch(text):
        letter, accidental, octave = written.groups()
        midi = _NOTE_NAMES.index(letter.upper()) + _ACCIDENTALS[accidental] + 12 * (int(octave) + 1)
    elif re.fullmatch(r"-?[0-9]{1,4}", text):
        midi = int(text)
    else:
        raise ValueError(f"{text!r} is not a MIDI note; give a name such as C2, F#3 or Bb1, or a number from 0 to 127")
    if not 0 <= midi <= 127:
        raise ValueError(f"{text!r} is MIDI note {midi}; notes go from 0 (C-1) to 127 (G9), and C4 is 60")
    return midi


def midi_to_hz(midi: float) -> float:
    """The frequency of a MIDI note, fractions included: 69 is 440 Hz."""
    return 440 * 2 ** ((midi - 69) / 12)


def _most_supported(values: np.ndarray, weights: np.ndarray) -> float:
    """The value with the largest sum of weights within `NEAR_SEMITONES` of it."""
    order = np.argsort(values)
    values = values[order]
    cumulative = np.concatenate([[0], np.cumsum(weights[order])])
    above = cumulative[np.searchsorted(values, values + NEAR_SEMITONES, side="right")]
    below = cumulative[np.searchsorted(values, values - NEAR_SEMITONES, side="left")]
    return float(values[np.argmax(above - below)])
