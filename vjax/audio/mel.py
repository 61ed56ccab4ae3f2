"""The log-mel spectrogram, the input of the model, jitted and batched.

The spectrum is computed with `jnp.fft`. On two CPU cores, a batch of 32 sounds takes 3 ms per sound. A product with a
DFT matrix takes 21 ms.
"""

import functools
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np

from vjax.audio.mel_config import MelConfig

FLOOR_DB = -100.0
"""The lowest level of `power_db`; silence has it."""


@functools.partial(jax.jit, static_argnames="config")
def mel_spectrogram(audio: jax.Array, config: MelConfig) -> jax.Array:
    """log(1 + mel power spectrogram).

    Args:
      audio: [..., samples] mono float32.
      config: settings; with the defaults, 2 s of sound give t = 173.

    Returns:
      [..., n_mels, t] float32, t = 1 + samples // hop. Frames are centred on every `hop`-th sample, with zeros beyond
      both ends, under a periodic Hann window; power 2; Slaney's mel bands (`mel_filterbank`).
    """
    centre = config.n_fft // 2
    padded = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(centre, config.n_fft - centre)])
    starts = np.arange(config.frames(audio.shape[-1])) * config.hop
    frames = padded[..., starts[:, None] + np.arange(config.n_fft)]
    spectrum = jnp.fft.rfft(frames * _hann(config.n_fft))
    power = spectrum.real**2 + spectrum.imag**2
    # "highest": GPUs would otherwise multiply in TF32, whose 11 significant bits are too few.
    mel = jnp.einsum("mf,...tf->...mt", mel_filterbank(config), power, precision="highest")
    return jnp.log1p(mel)


@functools.cache
def mel_filterbank(config: MelConfig) -> np.ndarray:
    """[n_mels, 1 + n_fft // 2] float32: triangular bands evenly spaced in mel, each of unit area over hertz.

    The mel scale and the norm are those of Slaney's Auditory Toolbox (Interval Research report 1998-010): linear up to
    1000 Hz, logarithmic above, and each triangle scaled by 2 / (its width in hertz).
    """
    edges_hz = _mel_edges_hz(config)
    bins_hz = np.arange(1 + config.n_fft // 2) * (config.sample_rate / config.n_fft)
    low, peak, high = (edges_hz[i : i + config.n_mels, None] for i in range(3))
    rising, falling = (bins_hz - low) / (peak - low), (high - bins_hz) / (high - peak)
    triangles = np.maximum(0, np.minimum(rising, falling))
    return (triangles * (2 / (high - low))).astype(np.float32)


def mel_centres_hz(config: MelConfig) -> np.ndarray:
    """[n_mels] the peaks of the bands of `mel_filterbank`."""
    return _mel_edges_hz(config)[1:-1]


def bands_below(config: MelConfig, hz: np.ndarray | Sequence[float] | float) -> np.ndarray:
    """[...] the number of bands whose largest weight lies at a bin below each frequency: where an axis marks it."""
    peaks_hz = np.argmax(mel_filterbank(config), 1) * config.sample_rate / config.n_fft
    return np.searchsorted(peaks_hz, hz)


def power_db(power: np.ndarray) -> np.ndarray:
    """Converts power to dB; at least FLOOR_DB."""
    return 10 * np.log10(np.maximum(power, 10 ** (FLOOR_DB / 10)))


def _mel_edges_hz(config: MelConfig) -> np.ndarray:
    """[n_mels + 2] evenly spaced in mel: band i rises from edge i to i + 1 and falls to i + 2."""
    ends_mel = _hz_to_mel(np.array([config.f_min_hz, config.f_max_hz]))
    return _mel_to_hz(np.linspace(ends_mel[0], ends_mel[1], config.n_mels + 2))


# Slaney's scale: 15 mel per 1000 Hz below the knee, then 27 mel per factor 6.4.
_KNEE_HZ, _KNEE_MEL, _LOG_STEP = 1000.0, 15.0, np.log(6.4) / 27


def _hz_to_mel(hz: np.ndarray) -> np.ndarray:
    above = _KNEE_MEL + np.log(np.maximum(hz, _KNEE_HZ) / _KNEE_HZ) / _LOG_STEP
    return np.where(hz < _KNEE_HZ, hz * (_KNEE_MEL / _KNEE_HZ), above)


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    above = _KNEE_HZ * np.exp((np.maximum(mel, _KNEE_MEL) - _KNEE_MEL) * _LOG_STEP)
    return np.where(mel < _KNEE_MEL, mel * (_KNEE_HZ / _KNEE_MEL), above)


def _hann(length: int) -> np.ndarray:
    """Periodic Hann window: its period is `length`, so the last sample is not zero again."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(length) / length)).astype(np.float32)
