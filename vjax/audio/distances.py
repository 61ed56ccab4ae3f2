"""How far apart two sounds are: the numbers that vjax reports. Refinement minimises some (`search/objective.py`).

Every distance takes `(pred, target, sample_rate)`, two arrays [..., channels, samples] with one or two channels, full
scale at +-1, and answers [...] float32 on the host. Leading axes broadcast as in NumPy, so that many candidates
[n, 2, samples] meet one target [2, samples], whose spectra are then computed once. Nothing is normalised in level.

A silent sound (`is_silent`) has no distance to anything: its place in the answer is NaN, and so is that of a sound with
NaN or infinite samples. Report how many there are: the mean of the rest alone would reward silence. `sot` and
`rms_cosine` hear the mean of the channels, so there a stereo sound whose channels cancel counts as silent too.

The silence that pads two short sounds to the length of a clip is equal in both. `mss` leaves it out; the others take
all of the clip, and so does `mss_padded`.

All raise ValueError when channels or lengths differ, and for arrays that are not [..., channels, samples].

Spectra are JAX's, compiled once for each shape of the arrays (about a second).
"""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from vjax.audio.mel import to_mono
from vjax.audio.spectra import MssSpectra, cumulative_spectra, mrstft_spectra, mss_spectra, stacked_mfcc, to_samples

SILENCE_DBFS = -90.0
"""A sound whose highest peak is below this is silent: it would not move the last bit of a 16-bit file."""

_MAGNITUDE_FLOOR = 1e-5  # under the logarithm in MRSTFT
_GATING_BLOCK_S = 0.4  # BS.1770 measures loudness in blocks of this length
_SILENCE_PEAK = 10 ** (SILENCE_DBFS / 20)


def is_silent(audio: np.ndarray) -> np.ndarray:
    """Whether the highest peak over all channels lies below `SILENCE_DBFS`.

    Args:
      audio: [..., channels, samples], mono or stereo.

    Returns:
      [...] bool. False for a sound with NaN samples: that is broken, not silent.
    """
    return _peak(_checked(audio, "audio")) < _SILENCE_PEAK


def mss(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> np.ndarray:
    """Multi-scale spectral distance in dB; lower is better, 0 is equal. Symmetric.

    The mean |difference| of two log-mel spectrograms at each of (window 10 ms, hop 5 ms, 32 bands), (25, 10, 64) and
    (100, 50, 128), averaged over the three. Powers are in dB relative to the sound's own maximum over both channels,
    cut off 80 dB below it. This makes the distance blind to gain, except in quiet sounds (peaks below about -30 dBFS),
    where the floor of 1e-10 under the power comes to lie above the cut.

    The mean is over what either sound plays: from the start to the last sample at which one of them is within 80 dB of
    its own peak. Silence after that would only dilute it: appended to both sounds, it changes nothing.

    Returns:
      [...] float32 from 0 to 80; NaN for silence.
    """
    return mss_and_padded(pred, target, sample_rate)[0]


def mss_padded(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> np.ndarray:
    """`mss` as a mean over the whole clip, the silence that pads both sounds included.

    Earlier reports of vjax call this figure MSS. It equals `mss` where a sound lasts as long as the clip, and
    is smaller where both are over before: a kick of 0.2 s in a clip of 2 s has a tenth of its `mss`.
    """
    return mss_and_padded(pred, target, sample_rate)[1]


def mss_and_padded(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> tuple[np.ndarray, np.ndarray]:
    """(`mss`, `mss_padded`) for the price of one."""
    pred, target = _pair(pred, target)
    figures = _mss_figures(mss_spectra(pred, sample_rate), mss_spectra(target, sample_rate))
    played, padded = (_scored(figure, pred, target) for figure in figures)
    return played, padded


def wmfcc(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> np.ndarray:
    """Warped MFCC distance; lower is better, 0 is equal. Symmetric. It forgives timing, and hears gain.

    20 MFCC of each channel (window 50 ms, hop 10 ms, 128 mel bands in dB, cut off 80 dB below the maximum), the
    channels stacked; then `dtw_distance` with the mean |difference| of two frames as their cost.

    Returns:
      [...] float32; NaN for silence.
    """
    pred, target = _pair(pred, target)
    costs = _frame_costs(stacked_mfcc(pred, sample_rate), stacked_mfcc(target, sample_rate))
    return _scored(dtw_distance(np.asarray(costs)), pred, target)


def sot(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> np.ndarray:
    """Spectral optimal transport, in parts of the bandwidth; lower is better, 0 is equal. Symmetric, blind to gain.

    Each frame's magnitude spectrum (mono, window 50 ms, hop 20 ms) is divided by its sum; the distance of two frames is
    how far their energy has to move along the frequency axis, the area between the cumulative sums. The mean over
    frames. A frame of digital silence has no energy to move: it costs nothing against another one.

    Returns:
      [...] float32 from 0 to 1; NaN for silence.
    """
    pred, target = (_mono(audio) for audio in _pair(pred, target))
    return _scored(_sot(cumulative_spectra(pred, sample_rate), cumulative_spectra(target, sample_rate)), pred, target)


def rms_cosine(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> np.ndarray:
    """Cosine similarity of RMS envelopes: **higher** is better, 1 is the same shape. Symmetric, blind to gain.

    Mono, frames of 50 ms, hop 25 ms. Any two sustained notes score high: read it beside the score of unrelated sounds.

    Returns:
      [...] float32 from 0 to 1; NaN for silence.
    """
    pred, target = (_mono(audio) for audio in _pair(pred, target))
    a, b = (_rms_envelope(audio[..., 0, :], sample_rate) for audio in (pred, target))
    with np.errstate(invalid="ignore"):  # 0 / 0: silence
        cosine = (a * b).sum(-1) / np.sqrt((a * a).sum(-1) * (b * b).sum(-1))
    return _scored(np.minimum(cosine, 1), pred, target)


def mrstft(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> np.ndarray:
    """Multi-resolution STFT distance; lower is better, 0 is equal. Refinement minimises it: reports say so.

    At each FFT size of 1024, 2048 and 8192, with a hop of a quarter and magnitudes P and T in 128 mel bands: spectral
    convergence |P - T| / |T| (Frobenius norms over channels, bands and frames) plus the mean |ln P - ln T|. The mean
    over the three. The terms are those of Yamamoto, Song and Kim, "Parallel WaveGAN" (ICASSP 2020).

    The earlier program is on record with its FFT sizes, hop and mel bands only. Chosen here: both terms with weight 1,
    a Hann window of the FFT size, zeros beyond the ends, Slaney's mel bands, magnitudes of at least 1e-5 under the
    logarithm, no weighting of frequencies. It hears gain, and is not symmetric: convergence is relative to the target.

    Returns:
      [...] float32; NaN for silence.
    """
    pred, target = _pair(pred, target)
    return _scored(mrstft_of(mrstft_spectra(pred, sample_rate), mrstft_spectra(target, sample_rate)), pred, target)


def loudness_difference(pred: np.ndarray, target: np.ndarray, sample_rate: int = 44100) -> np.ndarray:
    """|difference| of `loudness_lufs`, in LU; lower is better, 0 is equal. Symmetric.

    Returns:
      [...] float32; NaN for silence, and for a sound that stays under the gate of -70 LUFS.

    Raises:
      ValueError: the sounds are shorter than one gating block of 0.4 s.
    """
    pred, target = _pair(pred, target)
    return _scored(np.abs(loudness_lufs(pred, sample_rate) - loudness_lufs(target, sample_rate)), pred, target)


def loudness_lufs(audio: np.ndarray, sample_rate: int = 44100) -> np.ndarray:
    """Integrated loudness by ITU-R BS.1770-4, gated.

    Args:
      audio: [..., channels, samples], mono or stereo.

    Returns:
      [...] float64 in LUFS; NaN for silence, and for a sound that stays under the standard's gate of -70 LUFS.

    Raises:
      ValueError: the sound is shorter than one gating block of 0.4 s.
    """
    import pyloudnorm  # with the parts of SciPy that it needs, it would double the time to import this module

    audio = _checked(audio, "audio")
    samples = audio.shape[-1]
    if samples < _GATING_BLOCK_S * sample_rate:
        raise ValueError(
            f"loudness needs at least {_GATING_BLOCK_S} s of sound, not {samples / sample_rate:.3f} s "
            f"({samples} samples at {sample_rate} Hz); render longer, or leave loudness out"
        )
    # The default filters are 0.04 LU off at 997 Hz; De Man's parameters meet the standard's coefficients.
    meter = pyloudnorm.Meter(sample_rate, filter_class="DeMan")
    lufs = np.full(audio.shape[:-2], np.nan)
    for place in np.ndindex(lufs.shape):
        if _scorable(audio[place]):
            loudness = meter.integrated_loudness(audio[place].T.astype(np.float64))
            lufs[place] = loudness if np.isfinite(loudness) else np.nan
    return lufs


def dtw_distance(costs: np.ndarray) -> np.ndarray:
    """Dynamic time warping: the sum of costs along the cheapest path, divided by n + m.

    The step pattern is symmetric2, the symmetric form of Sakoe and Chiba (1978) without slope constraint: a diagonal
    step counts the cost of its cell twice, so that it is no cheaper than the two straight steps that it replaces. The
    first cell counts once, as in R's and Python's `dtw`.

    Args:
      costs: [..., n, m], of each frame of one sound against each frame of the other.

    Returns:
      [...] float64.
    """
    *batch, n, m = costs.shape
    mirrored = costs[..., ::-1].astype(np.float64)  # its diagonals are the anti-diagonals i + j = k
    # Sums on the last two anti-diagonals: element i + 1 belongs to row i, element 0 stands above the first row.
    second_last, last = np.full((2, *batch, n + 1), np.inf)
    for k in range(n + m - 1):
        here = slice(max(0, k - m + 1) + 1, min(k, n - 1) + 2)
        above = slice(here.start - 1, here.stop - 1)
        cost = np.diagonal(mirrored, m - 1 - k, -2, -1)
        current = np.full_like(last, np.inf)
        if k == 0:
            current[..., here] = cost
        else:
            straight = np.minimum(last[..., above], last[..., here]) + cost
            current[..., here] = np.minimum(straight, second_last[..., above] + 2 * cost)
        second_last, last = last, current
    return last[..., n] / (n + m)


@jax.jit
def mss_of(pred: MssSpectra, target: MssSpectra) -> jax.Array:
    """`mss` of spectra that `mss_spectra` made, for callers that are jitted themselves. Silence is scored too."""
    return _mss_figures(pred, target)[0]


@jax.jit
def _mss_figures(pred: MssSpectra, target: MssSpectra) -> tuple[jax.Array, jax.Array]:
    """(mss, mss_padded) of each pair. How many frames count is data, not a shape: no length is compiled anew."""
    n_played = jnp.maximum(pred.played, target.played)
    played, padded = [], []
    for i, (p, t) in enumerate(zip(pred.db, target.db, strict=True)):
        by_frame = jnp.abs(p - t).mean((-3, -2))
        n = n_played[..., i]
        counts = jnp.arange(by_frame.shape[-1]) < n[..., None]
        played.append(jnp.where(counts, by_frame, 0).sum(-1) / n)
        padded.append(by_frame.mean(-1))
    return jnp.stack(played).mean(0), jnp.stack(padded).mean(0)


@jax.jit
def _frame_costs(pred: jax.Array, target: jax.Array) -> jax.Array:
    """[..., n, coefficients] and [..., m, coefficients] to [..., n, m]: mean |difference| of each two frames."""
    return jnp.abs(pred[..., :, None, :] - target[..., None, :, :]).mean(-1)


@jax.jit
def _sot(pred: jax.Array, target: jax.Array) -> jax.Array:
    return _mean(jnp.abs(pred - target))


@jax.jit
def mrstft_of(pred: list[jax.Array], target: list[jax.Array]) -> jax.Array:
    """`mrstft` of spectra that `mrstft_spectra` made, as `mss_of`."""
    distances = []
    for p, t in zip(pred, target, strict=True):
        convergence = jnp.sqrt(_mean((p - t) ** 2) / _mean(t**2))
        log_p, log_t = (jnp.log(jnp.maximum(magnitude, _MAGNITUDE_FLOOR)) for magnitude in (p, t))
        distances.append(convergence + _mean(jnp.abs(log_p - log_t)))
    return jnp.stack(distances).mean(0)


def _mean(spectra: jax.Array) -> jax.Array:
    """The mean over channels, bands and frames."""
    return spectra.mean((-3, -2, -1))


def _rms_envelope(mono: np.ndarray, sample_rate: int) -> np.ndarray:
    """[..., samples] to [..., t] float64: frames of 50 ms, centred on every 25 ms, zeros beyond both ends."""
    frame, hop = to_samples(50, sample_rate), to_samples(25, sample_rate)
    power = np.pad(mono.astype(np.float64) ** 2, [(0, 0)] * (mono.ndim - 1) + [(frame // 2, frame // 2)])
    return np.sqrt(sliding_window_view(power, frame, -1)[..., ::hop, :].mean(-1))


def _mono(audio: np.ndarray) -> np.ndarray:
    return to_mono(audio)[..., None, :]


def _peak(audio: np.ndarray) -> np.ndarray:
    return np.maximum(audio.max((-2, -1)), -audio.min((-2, -1)))


def _scorable(audio: np.ndarray) -> np.ndarray:
    peak = _peak(audio)
    return (peak >= _SILENCE_PEAK) & (peak < np.inf)


def _scored(distances: np.ndarray, pred: np.ndarray, target: np.ndarray) -> np.ndarray:
    return np.where(_scorable(pred) & _scorable(target), distances, np.nan).astype(np.float32)


def _checked(audio: np.ndarray, name: str) -> np.ndarray:
    audio = np.asarray(audio, np.float32)
    if audio.ndim < 2 or audio.shape[-2] not in (1, 2) or not audio.shape[-1]:
        raise ValueError(
            f"{name} has shape {audio.shape}; expected [..., channels, samples] with one or two channels: "
            f"give {name}[None] for [samples], {name}.T for [samples, channels]"
        )
    return audio


def _pair(pred: np.ndarray, target: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    pred, target = _checked(pred, "pred"), _checked(target, "target")
    shapes = f"pred has shape {pred.shape}, target {target.shape}"
    if pred.shape[-1] != target.shape[-1]:
        raise ValueError(f"{shapes}: other lengths; cut the longer one, or pad the shorter one with zeros")
    if pred.shape[-2] != target.shape[-2]:
        raise ValueError(f"{shapes}: other channels; compare in mono, with stereo.mean(-2, keepdims=True)")
    try:
        np.broadcast_shapes(pred.shape[:-2], target.shape[:-2])
    except ValueError as error:
        raise ValueError(f"{shapes}: the axes before channels must be equal, or broadcast") from error
    return pred, target
