"""Distances between two sounds: the metrics that vjax reports. Refinement minimises some (`search/objective.py`).

Every distance takes `(pred, target, sample_rate)`: two arrays [..., channels, samples] with one or two channels, full
scale at +-1. It returns [...] float32 on the host. Leading axes broadcast as in NumPy. So many candidates
[n, 2, samples] can be compared with one target [2, samples], whose spectra are then computed once. Levels are not
normalised.

A silent sound (`is_silent`) has no defined distance: the result is NaN. The same holds for a sound with NaN or infinite
samples. Report the number of NaN results, because the mean of the others alone would reward silence. `sot` and
`rms_cosine` compare the mean of the channels; of a sound whose channels cancel, the louder one (see `to_mono`).

Short sounds are padded with silence to the length of a clip. Where both sounds are padded, they are equal. `mss` leaves
this silence out. `mss_padded` and all other distances use the whole clip.

All raise ValueError when channels or lengths differ, and for arrays that are not [..., channels, samples].

The spectra are computed with JAX and compiled once for each shape of the arrays (about a second).
"""

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Float32
from numpy.lib.stride_tricks import sliding_window_view

from vjax.audio.channels import to_mono
from vjax.audio.dtw import dtw_distance
from vjax.audio.loudness import loudness_lufs
from vjax.audio.silence import checked_pair, scored
from vjax.audio.spectra import (
    FINEST_HOP_MS,
    MssSpectra,
    cumulative_spectra,
    mrstft_spectra,
    mss_spectra,
    stacked_mfcc,
    to_samples,
)
from vjax.io.arrays import Array

ATTACK_MS = 80
"""The length of the attack that `attack_of` compares."""

_MAGNITUDE_FLOOR = 1e-5  # smallest magnitude that MRSTFT takes the logarithm of


def mss(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> Float32[np.ndarray, "..."]:
    """Multi-scale spectral distance in dB; lower is better, 0 is equal. Symmetric.

    The mean |difference| of two log-mel spectrograms at each of (window 10 ms, hop 5 ms, 32 bands), (25, 10, 64) and
    (100, 50, 128), averaged over the three. Powers are in dB relative to the sound's own maximum over both channels,
    cut off 80 dB below it. Gain therefore does not change the distance, except in quiet sounds (peaks below about
    -30 dBFS). In these, the lower limit of 1e-10 for the power lies above the cut-off.

    The mean runs from the start to the last sample at which one of the sounds is within 80 dB of its own peak. Silence
    after that would only lower the mean. Silence that is appended to both sounds therefore changes nothing.

    Returns:
      [...] float32 from 0 to 80; NaN for silence.
    """
    return mss_padded_rse(pred, target, sample_rate)[0]


def mss_padded(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> Float32[np.ndarray, "..."]:
    """`mss` as a mean over the whole clip, including the silence that pads both sounds.

    Earlier reports of vjax call this figure MSS. It equals `mss` where a sound lasts as long as the clip. It is smaller
    where both sounds end earlier: a kick of 0.2 s in a clip of 2 s has a tenth of its `mss`.
    """
    return mss_padded_rse(pred, target, sample_rate)[1]


def rse(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> Float32[np.ndarray, "..."]:
    """Relative spectral error; lower is better, 0 is equal. Symmetric. Gain does not change it.

    The spectrograms are those of `mss`, as magnitudes A and B: the square roots of the powers in mel bands. Each is
    divided by its own norm, so that the error is the norm of A / |A| - B / |B|. It is averaged over the three
    resolutions. MSS gives all levels down to -80 dB the same weight; the relative spectral error is about the loudest
    parts. Magnitudes more than 80 dB below a sound's maximum count as 80 dB below it.

    Returns:
      [...] float32 from 0 to sqrt(2), where nothing sounds at the same time and frequency; NaN for silence.
    """
    return mss_padded_rse(pred, target, sample_rate)[2]


def mss_padded_rse(
    pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100
) -> tuple[Float32[np.ndarray, "*n"], Float32[np.ndarray, "*n"], Float32[np.ndarray, "*n"]]:
    """Returns (`mss`, `mss_padded`, `rse`) at the cost of one."""
    pred, target = checked_pair(pred, target)
    figures = _mss_figures(mss_spectra(pred, sample_rate), mss_spectra(target, sample_rate))
    played, padded, relative = (scored(figure, pred, target) for figure in figures)
    return played, padded, relative


def wmfcc(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> Float32[np.ndarray, "..."]:
    """Warped MFCC distance; lower is better, 0 is equal. Symmetric.

    It tolerates differences in timing. It depends on gain.

    20 MFCC of each channel (window 50 ms, hop 10 ms, 128 mel bands in dB, cut off 80 dB below the maximum), the
    channels stacked. Then `dtw_distance`, where the cost of two frames is their mean |difference|.

    Returns:
      [...] float32; NaN for silence.
    """
    pred, target = checked_pair(pred, target)
    costs = _frame_costs(stacked_mfcc(pred, sample_rate), stacked_mfcc(target, sample_rate))
    return scored(dtw_distance(np.asarray(costs)), pred, target)


def sot(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> Float32[np.ndarray, "..."]:
    """Spectral optimal transport, as a share of the bandwidth; lower is better, 0 is equal. Symmetric.

    Gain does not change it.

    Each frame's magnitude spectrum (mono, window 50 ms, hop 20 ms) is divided by its sum. The distance of two frames is
    how far their energy has to move along the frequency axis: the area between the cumulative sums. The result is the
    mean over frames. The distance of two frames of digital silence is 0, because they have no energy to move.

    Returns:
      [...] float32 from 0 to 1; NaN for silence.
    """
    pred, target = (_mono(audio) for audio in checked_pair(pred, target))
    return scored(_sot(cumulative_spectra(pred, sample_rate), cumulative_spectra(target, sample_rate)), pred, target)


def rms_cosine(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> Float32[np.ndarray, "..."]:
    """Cosine similarity of RMS envelopes: **higher** is better, 1 is the same shape. Symmetric.

    Gain does not change it. Mono, frames of 50 ms, hop 25 ms. Any two sustained notes score high, so compare the value
    with that of unrelated sounds.

    Returns:
      [...] float32 from 0 to 1; NaN for silence.
    """
    pred, target = (_mono(audio) for audio in checked_pair(pred, target))
    a, b = (_rms_envelope(audio[..., 0, :], sample_rate) for audio in (pred, target))
    with np.errstate(invalid="ignore"):  # 0 / 0: silence
        cosine = (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return scored(np.minimum(cosine, 1), pred, target)


def mrstft(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> Float32[np.ndarray, "..."]:
    """Multi-resolution STFT distance; lower is better, 0 is equal.

    Refinement minimises it, and reports state this.

    At each FFT size of 1024, 2048 and 8192, with a hop of a quarter and magnitudes P and T in 128 mel bands: spectral
    convergence |P - T| / |T| (Frobenius norms over channels, bands and frames) plus the mean |ln P - ln T|. The
    result is the mean over the three. The terms are those of Yamamoto, Song and Kim, "Parallel WaveGAN" (ICASSP 2020).

    Of the earlier program, only the FFT sizes, the hop and the mel bands are documented. The rest is chosen here: both
    terms with weight 1, a Hann window of the FFT size, zeros beyond the ends, Slaney's mel bands, magnitudes limited to
    at least 1e-5 before the logarithm, no weighting of frequencies.

    The distance depends on gain. It is not symmetric, because the convergence is relative to the target.

    Returns:
      [...] float32; NaN for silence.
    """
    pred, target = checked_pair(pred, target)
    return scored(mrstft_of(mrstft_spectra(pred, sample_rate), mrstft_spectra(target, sample_rate)), pred, target)


def loudness_difference(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> Float32[np.ndarray, "..."]:
    """|difference| of `loudness_lufs`, in LU; lower is better, 0 is equal. Symmetric.

    Returns:
      [...] float32; NaN for silence, and for a sound that stays below the gate of -70 LUFS.

    Raises:
      ValueError: the sounds are shorter than one gating block of 0.4 s.
    """
    pred, target = checked_pair(pred, target)
    return scored(np.abs(loudness_lufs(pred, sample_rate) - loudness_lufs(target, sample_rate)), pred, target)


@jax.jit
def mss_of(pred: MssSpectra, target: MssSpectra) -> Float[jax.Array, "..."]:
    """`mss` of the results of `mss_spectra`, for callers that are jitted themselves. Silence does not give NaN here."""
    return _mss_figures(pred, target)[0]


@jax.jit
def mss_rse_of(pred: MssSpectra, target: MssSpectra) -> tuple[Float[jax.Array, "*n"], Float[jax.Array, "*n"]]:
    """`mss` and `rse` of the results of `mss_spectra`, as `mss_of`."""
    played, _, relative = _mss_figures(pred, target)
    return played, relative


def attack_of(pred: MssSpectra, target: MssSpectra) -> Float[jax.Array, "..."]:
    """[...]: `mss` in dB at its finest resolution, over the first `ATTACK_MS` of the clips alone."""
    frames = 1 + ATTACK_MS // FINEST_HOP_MS
    return jnp.abs(pred.db[0][..., :frames] - target.db[0][..., :frames]).mean((-3, -2, -1))


@jax.jit
def _mss_figures(
    pred: MssSpectra, target: MssSpectra
) -> tuple[Float[jax.Array, "*n"], Float[jax.Array, "*n"], Float[jax.Array, "*n"]]:
    """Returns (mss, mss_padded, rse) of each pair.

    The number of frames that count is data and not a shape, so that another length needs no new compilation.
    """
    n_played = jnp.maximum(pred.played, target.played)
    played, padded, relative = [], [], []
    for i, (p, t) in enumerate(zip(pred.db, target.db, strict=True)):
        by_frame = jnp.abs(p - t).mean((-3, -2))
        n = n_played[..., i]
        counts = jnp.arange(by_frame.shape[-1]) < n[..., None]
        played.append(jnp.where(counts, by_frame, 0).sum(-1) / n)
        padded.append(by_frame.mean(-1))
        relative.append(jnp.sqrt(((_unit_magnitudes(p) - _unit_magnitudes(t)) ** 2).sum((-3, -2, -1))))
    return jnp.stack(played).mean(0), jnp.stack(padded).mean(0), jnp.stack(relative).mean(0)


def _unit_magnitudes(db: Float[jax.Array, "*shape"]) -> Float[jax.Array, "*shape"]:
    """Levels in dB as magnitudes [..., channels, bands, t] of norm 1."""
    magnitude = 10 ** (db / 20)
    return magnitude / jnp.sqrt((magnitude**2).sum((-3, -2, -1), keepdims=True))


@jax.jit
def _frame_costs(
    pred: Float[Array, "... n coefficients"], target: Float[Array, "... m coefficients"]
) -> Float[jax.Array, "... n m"]:
    """[..., n, coefficients] and [..., m, coefficients] to [..., n, m]: mean |difference| of each pair of frames."""
    return jnp.abs(pred[..., :, None, :] - target[..., None, :, :]).mean(-1)


@jax.jit
def _sot(pred: jax.Array, target: jax.Array) -> jax.Array:
    return _mean(jnp.abs(pred - target))


@jax.jit
def mrstft_of(pred: list[Float[jax.Array, "..."]], target: list[Float[jax.Array, "..."]]) -> Float[jax.Array, "..."]:
    """`mrstft` of the results of `mrstft_spectra`, as `mss_of` does for `mss`."""
    distances = []
    for p, t in zip(pred, target, strict=True):
        convergence = jnp.sqrt(_mean((p - t) ** 2) / _mean(t**2))
        log_p, log_t = (jnp.log(jnp.maximum(magnitude, _MAGNITUDE_FLOOR)) for magnitude in (p, t))
        distances.append(convergence + _mean(jnp.abs(log_p - log_t)))
    return jnp.stack(distances).mean(0)


def _mean(spectra: jax.Array) -> jax.Array:
    """The mean over channels, bands and frames."""
    return spectra.mean((-3, -2, -1))


def _rms_envelope(mono: Float[np.ndarray, "*n samples"], sample_rate: int) -> Float[np.ndarray, "*n t"]:
    """[..., samples] to [..., t] float64: frames of 50 ms, centred on every 25 ms, zeros beyond both ends."""
    frame, hop = to_samples(50, sample_rate), to_samples(25, sample_rate)
    power = np.pad(mono.astype(np.float64) ** 2, [(0, 0)] * (mono.ndim - 1) + [(frame // 2, frame // 2)])
    return np.sqrt(sliding_window_view(power, frame, -1)[..., ::hop, :].mean(-1))


def _mono(audio: Float[np.ndarray, "*n channels samples"]) -> Float[np.ndarray, "*n 1 samples"]:
    return to_mono(audio)[..., None, :]
