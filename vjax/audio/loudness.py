"""Loudness by ITU-R BS.1770-4."""

from typing import Any

import numpy as np

from vjax.audio.silence import checked, scorable

METER_FILTERS = "DeMan"
"""pyloudnorm's name of the filters with the standard's coefficients. Its default filters are 0.04 LU off at 997 Hz."""

_STANDARD_HZ = 48000  # the sample rate of the standard's tables 1 and 2
_GATING_BLOCK_S = 0.4  # the standard measures loudness in blocks of this length


def k_weighting(frequency_hz: np.ndarray) -> np.ndarray:
    """The K-weighting: the power gain of both filters of the standard at frequencies [...]."""
    import pyloudnorm  # imported here: with its parts of SciPy, it would double the import time of this module
    from scipy.signal import freqz

    filters = pyloudnorm.Meter(_STANDARD_HZ, filter_class=METER_FILTERS)._filters.values()
    grid: Any = frequency_hz  # SciPy has no types; from its default, `worN` seems to be a number only
    responses = [freqz(one.b, one.a, worN=grid, fs=_STANDARD_HZ)[1] for one in filters]
    return np.abs(np.prod(responses, axis=0)) ** 2


def loudness_lufs(audio: np.ndarray, sample_rate: int = 44100) -> np.ndarray:
    """Integrated loudness by ITU-R BS.1770-4, gated.

    Args:
      audio: [..., channels, samples], mono or stereo.

    Returns:
      [...] float64 in LUFS; NaN for silence, and for a sound that stays below the standard's gate of -70 LUFS.

    Raises:
      ValueError: the sound is shorter than one gating block of 0.4 s.
    """
    import pyloudnorm  # imported here: with its parts of SciPy, it would double the import time of this module

    audio = checked(audio, "audio")
    samples = audio.shape[-1]
    if samples < _GATING_BLOCK_S * sample_rate:
        raise ValueError(
            f"loudness needs at least {_GATING_BLOCK_S} s of sound, not {samples / sample_rate:.3f} s "
            f"({samples} samples at {sample_rate} Hz); render longer, or leave loudness out"
        )
    meter = pyloudnorm.Meter(sample_rate, filter_class=METER_FILTERS)
    lufs = np.full(audio.shape[:-2], np.nan)
    for index in np.ndindex(lufs.shape):
        if scorable(audio[index]):
            loudness = meter.integrated_loudness(audio[index].T.astype(np.float64))
            lufs[index] = loudness if np.isfinite(loudness) else np.nan
    return lufs
