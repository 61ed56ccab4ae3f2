"""The log-mel spectrogram to which patches are fitted. It is the middle one of MSS's three; MSS measures the result."""

from typing import NamedTuple

import numpy as np

from vjax.audio.mel import MelConfig, mel_centres_hz
from vjax.audio.silence import is_silent
from vjax.audio.spectra import mss_spectra, to_samples

WINDOW_MS, HOP_MS, BANDS = 25, 10, 64
FLOOR_DB = -80.0
"""Relative to the maximum of the spectrogram. MSS cuts spectra off there."""

_SCALE = 1  # index among MSS's three
_ROUNDING_DB = 1e-3


class Spectrogram(NamedTuple):
    """A sound's log-mel spectrogram in dB relative to its own maximum, from -80 to 0.

    Attributes:
      db: [t, bands], of the mean power of both channels.
      channels_db: [2, t, bands].
      time_s: [t], centres of the frames.
      band_hz: [bands], centres.
      weight: [t], 1 as long as the sound plays, then 0.
    """

    db: np.ndarray
    channels_db: np.ndarray
    time_s: np.ndarray
    band_hz: np.ndarray
    weight: np.ndarray


def spectrogram(audio: np.ndarray, sample_rate: int) -> Spectrogram:
    """Returns the spectrogram of a sound [2, samples]."""
    spectra = mss_spectra(audio, sample_rate)
    channels_db = np.asarray(spectra.db[_SCALE]).transpose(0, 2, 1)
    # Values at the floor count as silence. Otherwise they would lie above the mean's own floor if the channels differ.
    power = np.where(channels_db > FLOOR_DB + _ROUNDING_DB, 10 ** (channels_db / 10), 0)
    mean_db = 10 * np.log10(np.maximum(power.mean(0), 1e-12))
    mean_db = np.maximum(mean_db - mean_db.max(), FLOOR_DB)
    window, hop = to_samples(WINDOW_MS, sample_rate), to_samples(HOP_MS, sample_rate)
    config = MelConfig(sample_rate, window, hop, BANDS, f_max_hz=sample_rate / 2)
    frame = np.arange(len(mean_db))
    return Spectrogram(
        mean_db.astype(np.float32),
        channels_db,
        (frame * hop / sample_rate).astype(np.float32),
        mel_centres_hz(config),
        (frame < int(spectra.played[_SCALE])).astype(np.float32),
    )


def at_level_of(audio: np.ndarray, sound: np.ndarray, most_db: float) -> np.ndarray:
    """Returns a render [2, samples] with the energy of another sound, at most `most_db` louder. Silence stays as it is.

    In the end, a patch gets the sound's level as far as its levels reach. Before that, its render may be very soft. The
    floor of MSS is absolute, so it would hide parts of the soft render that the final patch makes audible.
    """
    if is_silent(audio):
        return audio
    gain_db = 10 * np.log10(np.sum(np.square(sound, dtype=float)) / np.sum(np.square(audio, dtype=float)))
    return audio * np.float32(10 ** (min(gain_db, most_db) / 20))
