"""The jitted spectra that `vjax.audio.distances` compares. Audio is [..., channels, samples] float32.

All frames are centred on every `hop`-th sample, with zeros beyond both ends, under a periodic Hann window.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from vjax.audio.mel import MelConfig, mel_filterbank

FINEST_HOP_MS = 5
"""The hop of the first resolution of MSS."""

_MSS_RESOLUTIONS = ((10, FINEST_HOP_MS, 32), (25, 10, 64), (100, 50, 128))  # window in ms, hop in ms, mel bands
_MRSTFT_FFT_SIZES = (1024, 2048, 8192)
_N_MFCC = 20
_POWER_FLOOR = 1e-10  # keeps the logarithm of digital silence finite
_RANGE_DB = 80.0
_FRAME_SUM_FLOOR = 1e-6  # keeps a frame of digital silence from being divided by zero
_SOUNDS_AT_ONCE = 32  # on accelerators; bounds the memory that a large batch takes


class MssSpectra(NamedTuple):
    """The spectra of a sound that MSS compares, at each of its three resolutions.

    Attributes:
      db: list of [..., channels, bands, t]: log-mel in dB, from -80 to 0, where 0 is the sound's own maximum.
      played: int32 [..., 3]: number of the t frames that are centred on samples up to `sound_end`, at least one.
    """

    db: list[jax.Array]
    played: jax.Array


def to_samples(milliseconds: int, sample_rate: int) -> int:
    """Whole samples in this time, rounded down."""
    return int(milliseconds * sample_rate / 1000)


@functools.partial(jax.jit, static_argnames="sample_rate")
def mss_spectra(audio: jax.Array, sample_rate: int) -> MssSpectra:
    """The spectra of [..., channels, samples] at each resolution of MSS."""
    configs = [
        _mel_config(sample_rate, to_samples(window_ms, sample_rate), to_samples(hop_ms, sample_rate), n_mels)
        for window_ms, hop_ms, n_mels in _MSS_RESOLUTIONS
    ]
    spectra = _of_each(lambda sound: [_power_to_db(_mel_power(sound, config)) for config in configs], audio)
    end = sound_end(audio)
    played = [jnp.minimum(end // config.hop + 1, db.shape[-1]) for config, db in zip(configs, spectra, strict=True)]
    return MssSpectra([db - db.max((-3, -2, -1), keepdims=True) for db in spectra], jnp.stack(played, -1))


def sound_end(audio: jax.Array) -> jax.Array:
    """int32 [...]: number of samples up to the last one, of any channel, within 80 dB of the sound's own peak.

    For digital silence, this is the number of all samples.
    """
    level = jnp.abs(audio).max(-2)
    above = level > level.max(-1, keepdims=True) * 10 ** (-_RANGE_DB / 20)
    return audio.shape[-1] - jnp.argmax(above[..., ::-1], -1).astype(jnp.int32)


@functools.partial(jax.jit, static_argnames="sample_rate")
def stacked_mfcc(audio: jax.Array, sample_rate: int) -> jax.Array:
    """[..., t, channels * 20]: mel-frequency cepstral coefficients, orthonormal DCT-II of 128 mel bands in dB."""
    config = _mel_config(sample_rate, to_samples(50, sample_rate), to_samples(10, sample_rate), 128)

    def mfcc(sound):
        db = _power_to_db(_mel_power(sound, config))
        coefficients = jax.scipy.fft.dct(db, axis=-2, norm="ortho")[:, :_N_MFCC]
        return jnp.moveaxis(coefficients, -1, 0).reshape(db.shape[-1], -1)

    return _of_each(mfcc, audio)


@functools.partial(jax.jit, static_argnames="sample_rate")
def cumulative_spectra(audio: jax.Array, sample_rate: int) -> jax.Array:
    """[..., channels, t, bins]: cumulative sums of each frame's magnitudes, 1 at the end; 0 in digital silence."""

    def cumulative(sound):
        magnitude = jnp.sqrt(_power(sound, to_samples(50, sample_rate), to_samples(20, sample_rate)))
        return jnp.cumsum(magnitude / jnp.maximum(magnitude.sum(-1, keepdims=True), _FRAME_SUM_FLOOR), -1)

    return _of_each(cumulative, audio)


@functools.partial(jax.jit, static_argnames="sample_rate")
def mrstft_spectra(audio: jax.Array, sample_rate: int) -> list[jax.Array]:
    """[..., channels, 128, t] at each FFT size of MRSTFT: magnitudes in mel bands."""

    def magnitudes(sound):
        configs = mrstft_configs(sample_rate)
        return [_mel_bands(jnp.sqrt(_power(sound, config.n_fft, config.hop)), config) for config in configs]

    return _of_each(magnitudes, audio)


def mrstft_configs(sample_rate: int) -> list[MelConfig]:
    """The resolutions of `mrstft_spectra`, in its order."""
    return [_mel_config(sample_rate, n_fft, n_fft // 4, 128) for n_fft in _MRSTFT_FFT_SIZES]


def _of_each(spectra: Callable[[jax.Array], Any], audio: jax.Array) -> Any:
    """Applies `spectra` to each [channels, samples] of `audio`.

    A CPU processes the sounds one by one. The frames of a whole batch do not fit its cache, and take two to three times
    as long.
    """
    sounds = audio.reshape(-1, *audio.shape[-2:])
    at_once = None if jax.default_backend() == "cpu" else _SOUNDS_AT_ONCE
    results = jax.lax.map(spectra, sounds, batch_size=at_once)
    return jax.tree.map(lambda result: result.reshape(*audio.shape[:-2], *result.shape[1:]), results)


def _power(audio: jax.Array, n_fft: int, hop: int) -> jax.Array:
    """[..., samples] to [..., t, 1 + n_fft // 2]: squared magnitudes of the short-time Fourier transform.

    With an odd `n_fft`, a last frame that would reach past the padding is left out, as in librosa; `mel_spectrogram`
    keeps it.
    """
    centre = n_fft // 2
    padded = jnp.pad(audio, [(0, 0)] * (audio.ndim - 1) + [(centre, centre)])
    starts = np.arange(0, padded.shape[-1] - n_fft + 1, hop)
    frames = padded[..., starts[:, None] + np.arange(n_fft)]
    periodic_hann = np.hanning(n_fft + 1)[:-1].astype(np.float32)
    spectrum = jnp.fft.rfft(frames * periodic_hann)
    return spectrum.real**2 + spectrum.imag**2


def _mel_config(sample_rate: int, n_fft: int, hop: int, n_mels: int) -> MelConfig:
    return MelConfig(sample_rate, n_fft, hop, n_mels, f_max_hz=sample_rate / 2)


def _mel_power(audio: jax.Array, config: MelConfig) -> jax.Array:
    return _mel_bands(_power(audio, config.n_fft, config.hop), config)


def _mel_bands(spectrum: jax.Array, config: MelConfig) -> jax.Array:
    """[..., t, bins] to [..., n_mels, t]."""
    # "highest": GPUs would otherwise multiply in TF32, whose 11 significant bits are too few.
    return jnp.einsum("mf,...tf->...mt", mel_filterbank(config), spectrum, precision="highest")


def _power_to_db(power: jax.Array) -> jax.Array:
    """[channels, bands, t] in dB, cut off 80 dB below the maximum over all three axes."""
    db = 10 * jnp.log10(jnp.maximum(power, _POWER_FLOOR))
    return jnp.maximum(db, db.max() - _RANGE_DB)
