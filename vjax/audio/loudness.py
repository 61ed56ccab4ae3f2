"""Loudness filters of ITU-R BS.1770-4."""

import numpy as np

METER_FILTERS = "DeMan"
"""pyloudnorm's name of the filters with the standard's coefficients. Its default filters are 0.04 LU off at 997 Hz."""

_STANDARD_HZ = 48000  # the sample rate of the standard's tables 1 and 2


def k_weighting(frequency_hz: np.ndarray) -> np.ndarray:
    """The K-weighting: the power gain of both filters of the standard at frequencies [...]."""
    import pyloudnorm  # imported here: with its parts of SciPy, it would double the import time of this module
    from scipy.signal import freqz

    filters = pyloudnorm.Meter(_STANDARD_HZ, filter_class=METER_FILTERS)._filters.values()
    responses = [freqz(one.b, one.a, worN=frequency_hz, fs=_STANDARD_HZ)[1] for one in filters]
    return np.abs(np.prod(responses, axis=0)) ** 2
