"""Tests of distances between sounds against librosa, plain loops, plain NumPy in float64 and exact values."""

import subprocess
import sys

import librosa
import numpy as np
import pyloudnorm
import pytest
import scipy.fft
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.audio.distances import (
    _mss_figures,
    loudness_difference,
    mrstft,
    mss,
    mss_padded,
    rms_cosine,
    rse,
    sot,
    wmfcc,
)
from vjax.audio.dtw import dtw_distance
from vjax.audio.loudness import loudness_lufs
from vjax.audio.silence import is_silent
from vjax.audio.spectra import mss_spectra

RATE = 44100
SAMPLES = 21234  # not a multiple of any hop; the same in most tests, because each other length is compiled again


def pluck(seed: int, channels: int = 2, samples: int = SAMPLES, sample_rate: int = RATE) -> np.ndarray:
    """[channels, samples]: a decaying note with a noisy attack, another in each channel; digital silence at the end."""
    rng = np.random.default_rng(seed)
    time_s = np.arange(samples) / sample_rate
    k = np.arange(1, 13)[:, None]
    phase = 2 * np.pi * rng.uniform(80, 600, (channels, 1, 1)) * k * time_s + rng.uniform(0, 6, (channels, 12, 1))
    partials = (np.sin(phase) / k).sum(1) * np.exp(-time_s * rng.uniform(1, 6))
    hiss = rng.standard_normal((channels, samples)) * np.exp(-time_s * 40)
    sound = 0.15 * partials + 0.1 * hiss
    sound[:, int(0.85 * samples) :] = 0
    return sound.astype(np.float32)


def sine(hz: float, channels: int = 2, samples: int = SAMPLES, sample_rate: int = RATE) -> np.ndarray:
    """[channels, samples] at full scale."""
    wave = np.sin(2 * np.pi * hz * np.arange(samples) / sample_rate)
    return np.tile(wave, (channels, 1)).astype(np.float32)


def mss_frames(pred, target, sample_rate):
    """(hop, mean |difference| of each frame [t]) at each resolution."""
    for window_ms, hop_ms, n_mels in ((10, 5, 32), (25, 10, 64), (100, 50, 128)):
        n_fft, hop = (int(ms * sample_rate / 1000) for ms in (window_ms, hop_ms))
        a, b = (
            librosa.power_to_db(
                librosa.feature.melspectrogram(y=y, sr=sample_rate, n_fft=n_fft, hop_length=hop, n_mels=n_mels),
                ref=np.max,
            )
            for y in (pred.astype(np.float64), target.astype(np.float64))
        )
        yield hop, np.abs(a - b).mean((0, 1))


def reference_mss(pred, target, sample_rate):
    """The mean over the frames up to the last sample that is within 80 dB of the peak of its sound."""
    levels = (np.abs(sound).max(0) for sound in (pred, target))
    end = 1 + max(max(i for i in range(len(level)) if level[i] > 1e-4 * level.max()) for level in levels)
    return np.mean([frames[: end // hop + 1].mean() for hop, frames in mss_frames(pred, target, sample_rate)])


def reference_mss_padded(pred, target, sample_rate):
    return np.mean([frames.mean() for _, frames in mss_frames(pred, target, sample_rate)])


def reference_rse(pred, target, sample_rate):
    """By librosa: magnitudes at most 80 dB below the maximum, each spectrogram divided by its Frobenius norm."""
    errors = []
    for window_ms, hop_ms, n_mels in ((10, 5, 32), (25, 10, 64), (100, 50, 128)):
        n_fft, hop = (int(ms * sample_rate / 1000) for ms in (window_ms, hop_ms))
        settings = {"sr": sample_rate, "n_fft": n_fft, "hop_length": hop, "n_mels": n_mels}
        a, b = (
            np.sqrt(np.maximum(power, 1e-8 * power.max()))
            for power in (librosa.feature.melspectrogram(y=y.astype(np.float64), **settings) for y in (pred, target))
        )
        errors.append(np.linalg.norm(a / np.linalg.norm(a) - b / np.linalg.norm(b)))
    return np.mean(errors)


def reference_wmfcc(pred, target, sample_rate):
    n_fft, hop = int(0.05 * sample_rate), int(0.01 * sample_rate)
    a, b = (
        np.concatenate(librosa.feature.mfcc(y=y, sr=sample_rate, n_mfcc=20, n_fft=n_fft, hop_length=hop, n_mels=128))
        for y in (pred, target)
    )
    costs = np.abs(a[:, :, None] - b[:, None, :]).mean(0)
    return reference_dtw(costs)


def reference_dtw(costs):
    n, m = costs.shape
    total = np.full((n, m), np.inf)
    total[0, 0] = costs[0, 0]
    for i in range(n):
        for j in range(m):
            if i:
                total[i, j] = min(total[i, j], total[i - 1, j] + costs[i, j])
            if j:
                total[i, j] = min(total[i, j], total[i, j - 1] + costs[i, j])
            if i and j:
                total[i, j] = min(total[i, j], total[i - 1, j - 1] + 2 * costs[i, j])
    return total[-1, -1] / (n + m)


def magnitudes(mono, n_fft, hop):
    """[t, bins] in float64, computed frame by frame."""
    padded = np.pad(mono.astype(np.float64), n_fft // 2)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(n_fft) / n_fft)
    starts = range(0, len(padded) - n_fft + 1, hop)
    return np.abs([scipy.fft.rfft(padded[start : start + n_fft] * window) for start in starts])


def reference_sot(pred, target, sample_rate):
    n_fft, hop = int(0.05 * sample_rate), int(0.02 * sample_rate)
    distances = []
    pairs = zip(*(magnitudes(y.astype(np.float64).mean(0), n_fft, hop) for y in (pred, target)), strict=True)
    for a, b in pairs:
        a, b = (frame / frame.sum() if frame.sum() else frame for frame in (a, b))
        distances.append(np.abs(np.cumsum(a) - np.cumsum(b)).sum() / len(a))
    return np.mean(distances)


def reference_rms_cosine(pred, target, sample_rate):
    frame, hop = int(0.05 * sample_rate), int(0.025 * sample_rate)
    a, b = (librosa.feature.rms(y=y.mean(0), frame_length=frame, hop_length=hop)[0] for y in (pred, target))
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def reference_mrstft(pred, target, sample_rate):
    distances = []
    for n_fft in (1024, 2048, 8192):
        bands = librosa.filters.mel(sr=sample_rate, n_fft=n_fft, n_mels=128, dtype=np.float64)
        a, b = (np.stack([bands @ magnitudes(y, n_fft, n_fft // 4).T for y in sound]) for sound in (pred, target))
        convergence = np.linalg.norm(a - b) / np.linalg.norm(b)
        log_difference = np.abs(np.log(np.maximum(a, 1e-5)) - np.log(np.maximum(b, 1e-5))).mean()
        distances.append(convergence + log_difference)
    return np.mean(distances)


def reference_loudness_difference(pred, target, sample_rate):
    meter = pyloudnorm.Meter(sample_rate, filter_class="DeMan")
    a, b = (meter.integrated_loudness(y.T.astype(np.float64)) for y in (pred, target))
    return abs(a - b)


REFERENCES = {
    mss: reference_mss,
    mss_padded: reference_mss_padded,
    rse: reference_rse,
    wmfcc: reference_wmfcc,
    sot: reference_sot,
    rms_cosine: reference_rms_cosine,
    mrstft: reference_mrstft,
    loudness_difference: reference_loudness_difference,
}


def each(*distances):
    return pytest.mark.parametrize("distance", distances, ids=lambda distance: distance.__name__)


@each(*REFERENCES)
@pytest.mark.parametrize("channels", [pytest.param(1, marks=pytest.mark.slow), 2])
def test_distance_equals_the_reference(distance, channels):
    pred, target = pluck(0, channels), pluck(1, channels)
    assert distance(pred, target) == pytest.approx(REFERENCES[distance](pred, target, RATE), rel=3e-5)


@pytest.mark.parametrize(
    "distance",
    [pytest.param(one, id=one.__name__, marks=() if one in (mss, sot) else pytest.mark.slow) for one in REFERENCES],
)
def test_distance_at_another_rate_equals_the_reference(distance):
    pred, target = (pluck(seed, samples=14000, sample_rate=32000) for seed in (2, 3))
    assert distance(pred, target, 32000) == pytest.approx(REFERENCES[distance](pred, target, 32000), rel=3e-5)


@each(*REFERENCES)
def test_distance_of_a_sound_to_itself_is_perfect(distance):
    sounds = np.stack([pluck(0), pluck(1), sine(440)])
    np.testing.assert_allclose(distance(sounds, sounds), 1 if distance is rms_cosine else 0, atol=1e-6)


@each(*REFERENCES)
def test_distance_of_a_batch_equals_that_of_each_pair(distance):
    pred, target = (np.stack([pluck(first + i) for i in range(3)]) for first in (0, 3))
    together, alone = distance(pred, target), [distance(p, t) for p, t in zip(pred, target, strict=True)]
    assert together.dtype == alone[0].dtype == np.float32
    assert together.shape == (3,)
    assert alone[0].shape == ()
    np.testing.assert_allclose(together, alone, rtol=1e-5)


@each(sot, rms_cosine, loudness_difference)
def test_distance_of_many_axes_keeps_the_leading_axes(distance):
    pred, target = (np.stack([[pluck(first + i)] for i in range(3)]) for first in (0, 3))
    found = distance(pred, target)
    assert found.shape == (3, 1)
    np.testing.assert_allclose(found[:, 0], distance(pred[:, 0], target[:, 0]), rtol=1e-5)


@each(*REFERENCES)
def test_distance_of_many_candidates_broadcasts_one_target(distance):
    candidates, target = np.stack([pluck(0), pluck(1), pluck(2)]), pluck(3)
    np.testing.assert_allclose(distance(candidates, target), distance(candidates, np.stack([target] * 3)), rtol=1e-5)
    np.testing.assert_allclose(distance(target, candidates), distance(np.stack([target] * 3), candidates), rtol=1e-5)


@each(mss, mss_padded, rse, wmfcc, sot, rms_cosine, loudness_difference)
def test_distance_with_the_sounds_swapped_is_equal(distance):
    a, b = pluck(0), pluck(1)
    np.testing.assert_allclose(distance(a, b), distance(b, a), rtol=1e-5)


def test_mrstft_with_another_gain_is_relative_to_the_target():
    """The convergence is 0.5 for half the gain and 1 for double the gain. The logarithms differ equally in both."""
    sound = pluck(0)
    assert mrstft(2 * sound, sound) - mrstft(sound, 2 * sound) == pytest.approx(0.5, rel=1e-3)


@settings(max_examples=4, deadline=None)
@given(gain=st.floats(0.2, 8))
def test_mss_rse_sot_and_rms_cosine_with_another_gain_are_equal(gain):
    sound, other = pluck(0), pluck(1)
    for distance in (mss, rse, sot, rms_cosine):
        same = 1 if distance is rms_cosine else 0
        assert distance(np.float32(gain) * sound, sound) == pytest.approx(same, abs=1e-3)
        assert distance(np.float32(gain) * sound, other) == pytest.approx(float(distance(sound, other)), rel=1e-3)


def test_rse_of_sounds_that_share_nothing_is_the_square_root_of_two():
    early, late = (sine(hz) * (np.arange(SAMPLES) // (SAMPLES // 2) == half) for hz, half in ((200, 0), (6000, 1)))
    assert rse(early, late) == pytest.approx(np.sqrt(2), abs=0.02)


def test_rse_ignores_what_is_faint_and_mss_does_not():
    """Noise at -40 dB moves MSS, which gives all levels the same weight, and hardly moves RSE."""
    sound = sine(440)
    noisy = sound + 1e-2 * np.random.default_rng(0).standard_normal(sound.shape).astype(np.float32)
    assert mss(noisy, sound) > 10
    assert rse(noisy, sound) < 0.01


def test_loudness_wmfcc_and_mrstft_with_another_gain_differ():
    sound = pluck(0)
    assert loudness_difference(0.5 * sound, sound) == pytest.approx(20 * np.log10(2), rel=1e-3)
    assert wmfcc(0.5 * sound, sound) > 1
    assert mrstft(0.5 * sound, sound) > 0.5


def kick(hz: float, seconds: float = 0.2, samples: int = 88200) -> np.ndarray:
    """[2, samples]: a sine that decays, and is cut after `seconds`."""
    time_s = np.arange(samples) / RATE
    return (sine(hz, 2, samples) * np.exp(-20 * time_s) * (time_s < seconds)).astype(np.float32)


def test_mss_of_a_short_sound_is_not_diluted_by_its_padding():
    """Two kicks last 0.2 s in a clip of 2 s: they fill a tenth of the clip."""
    played, padded = mss(kick(60), kick(90)), mss_padded(kick(60), kick(90))
    assert played == pytest.approx(reference_mss(kick(60), kick(90), RATE), rel=1e-4)
    assert 8 < played / padded < 10


def test_mss_of_two_lengths_counts_up_to_the_end_of_the_longer_sound():
    """The part in which only one of the sounds plays counts, in either order."""
    short, long = kick(60, 0.2), kick(60, 0.8)
    for pair in ((short, long), (long, short)):
        assert mss(*pair) == pytest.approx(reference_mss(*pair, RATE), rel=1e-4)
        assert mss(*pair) > 2 * mss_padded(*pair)  # the longer kick ends after 0.46 s, 80 dB below its peak


@pytest.mark.parametrize(
    "silent", [22050, *(pytest.param(samples, marks=pytest.mark.slow) for samples in (4410, 8820, 44100))]
)
def test_mss_with_silence_appended_to_both_is_equal(silent):
    a, b = kick(60, samples=22050), kick(90, samples=22050)
    longer = [np.pad(sound, ((0, 0), (0, silent))) for sound in (a, b)]
    assert mss(*longer) == pytest.approx(float(mss(a, b)), rel=1e-5)
    assert mss_padded(*longer) < 0.9 * mss_padded(a, b)


@pytest.mark.parametrize(
    "samples", [SAMPLES, 22050, pytest.param(44100, marks=pytest.mark.slow)]
)  # with and without a whole number of hops
def test_mss_of_a_sound_that_fills_the_clip_equals_mss_padded(samples):
    rng = np.random.default_rng(0)
    a, b = rng.normal(0, 0.1, (2, 2, samples)).astype(np.float32)
    a[:, samples // 2 :] = 0
    assert mss(a, b) == pytest.approx(float(mss_padded(a, b)), rel=1e-6)


def test_mss_of_many_pairs_uses_the_length_of_each_pair():
    bank, targets = np.stack([kick(60, 0.1), kick(90, 0.4)]), np.stack([kick(70, 0.05), kick(50, 0.3), kick(80, 0.2)])
    together = mss(bank[:, None], targets[None])
    alone = [[float(mss(sound, target)) for target in targets] for sound in bank]
    np.testing.assert_allclose(together, alone, rtol=1e-5)


def test_mss_of_another_length_is_not_compiled_again():
    mss(kick(60, 0.1), kick(70, 0.1))
    compiled = _mss_figures._cache_size(), mss_spectra._cache_size()
    for seconds in (0.2, 0.3, 1.0):
        mss(kick(60, seconds), kick(70, seconds))
    assert (_mss_figures._cache_size(), mss_spectra._cache_size()) == compiled


def test_wmfcc_with_another_timing_is_small_where_mss_is_large():
    blip, other = (0.3 * sine(hz) * (np.arange(SAMPLES) // 4410 == 1) for hz in (440, 1500))
    late = np.roll(blip, 4410, -1)
    assert wmfcc(blip, late) < 0.2 * wmfcc(blip, other)
    assert mss(blip, late) > 0.5 * mss(blip, other)


def test_sot_of_two_sines_is_their_distance_in_frequency():
    """The distance is the difference in frequency, relative to half the sample rate."""
    distance = sot(0.5 * sine(1000), 0.5 * sine(6000))
    assert distance == pytest.approx(5000 / 22050, rel=0.03)
    assert sot(3e-4 * sine(1000), 0.5 * sine(6000)) == pytest.approx(float(distance), rel=1e-3)  # -70 dBFS


def test_sot_of_a_sound_that_ends_counts_the_silent_frames():
    """Frames of digital silence differ from a sine by the bandwidth above the sine, and not from each other."""
    end, hz = 10600, 440
    sustained = 0.3 * sine(hz)
    cut = sustained * (np.arange(SAMPLES) < end)
    assert sot(cut, cut) == 0
    silent = np.arange(0, SAMPLES, 882) - 1102 > end  # frames that begin after the end
    assert sot(sustained, cut) == pytest.approx(silent.mean() * (1 - hz / 22050), rel=0.03)


def test_mss_of_a_click_and_noise_is_at_most_80_db():
    click, noise = np.zeros((2, SAMPLES), np.float32), np.random.default_rng(0).uniform(-1, 1, (2, SAMPLES))
    click[0, 10000] = 1
    assert 40 < mss(click, noise) <= 80


@pytest.mark.parametrize("sample_rate", [44100, 48000])
def test_loudness_lufs_of_full_scale_sines_equals_the_standard(sample_rate):
    """BS.1770: a full-scale sine of 997 Hz in one front channel reads -3.01 LKFS; two channels have twice the power."""
    mono = sine(997, 1, 2 * sample_rate, sample_rate)
    assert loudness_lufs(mono, sample_rate) == pytest.approx(-3.01, rel=1e-3)
    left, both = np.concatenate([mono, 0 * mono]), np.concatenate([mono, mono])
    readings = loudness_lufs(np.stack([left, both, 0.1 * both]), sample_rate)
    np.testing.assert_allclose(readings, [-3.01, 0, -20], atol=3e-3)
    assert loudness_difference(left, both, sample_rate) == pytest.approx(10 * np.log10(2), rel=1e-3)


def test_loudness_lufs_below_the_gate_is_nan():
    faint, sound = 2e-4 * sine(997), sine(997)  # -74 dBFS
    assert np.isnan(loudness_lufs(faint))
    assert np.isnan(loudness_difference(np.stack([faint, sound, faint]), np.stack([faint, faint, sound]))).all()
    assert np.isfinite(sot(faint, sound))


def test_loudness_difference_of_less_than_a_block_is_an_error():
    with pytest.raises(ValueError, match=r"at least 0.4 s of sound, not 0.227 s \(10000 samples at 44100 Hz\); render"):
        loudness_difference(pluck(0, samples=10000), pluck(1, samples=10000))


@each(*REFERENCES)
def test_distance_of_silence_is_nan_at_its_index(distance):
    sounds = np.stack([pluck(seed) for seed in range(3)])
    pred, target = sounds.copy(), sounds[[1, 2, 0]]
    pred[0] = 3e-5 * sine(440)  # -90.5 dBFS
    target[2] = 0
    found = distance(pred, target)
    assert np.isnan(found).tolist() == [True, False, True]
    np.testing.assert_allclose(found[1], distance(pred[1], target[1]), rtol=1e-5)
    assert np.isnan(distance(pred[0], pred[0]))
    assert np.isnan(distance(pred[0, :1], sounds[0, :1]))  # mono


@each(*REFERENCES)
def test_distance_of_nan_or_infinite_samples_is_nan_at_its_index(distance):
    sounds = np.stack([pluck(seed) for seed in range(3)])
    broken = sounds.copy()
    broken[0, 1, 5], broken[2, 0, 7] = np.nan, np.inf
    assert np.isnan(distance(broken, sounds)).tolist() == [True, False, True]
    assert not is_silent(broken).any()


def test_sot_and_rms_cosine_of_channels_that_cancel_are_those_of_the_louder_one():
    left, other = sine(440), pluck(0)
    wide = left * np.array([[1], [-0.98]], np.float32)
    for distance in (sot, rms_cosine):
        assert distance(wide, other) == distance(left, other)
        assert distance(other, wide) == distance(other, left)


def test_is_silent_with_a_peak_below_minus_90_dbfs_is_true():
    threshold = 10 ** (-90 / 20)
    sounds = np.zeros((4, 2, 100), np.float32)
    sounds[0, 1, 50] = -1.01 * threshold  # one sample in one channel is a sound
    sounds[1, 0, 50] = 1.01 * threshold
    sounds[2, :, 50] = 0.99 * threshold
    assert is_silent(sounds).tolist() == [False, False, True, True]
    assert is_silent(sounds[:, :1]).tolist() == [True, False, True, True]
    assert is_silent(sounds[0]).shape == ()


@each(*REFERENCES)
def test_distance_of_wrong_shapes_is_an_error(distance):
    stereo = pluck(0)
    with pytest.raises(ValueError, match=r"pred has shape \(2, 21234\), target \(2, 21000\): the lengths differ; cut"):
        distance(stereo, stereo[:, :21000])
    with pytest.raises(ValueError, match=r"\(1, 21234\), target \(2, 21234\): the channels differ; compare in mono"):
        distance(stereo[:1], stereo)
    with pytest.raises(ValueError, match=r"target has shape \(21234, 2\); expected .*target.T for \[samples, channels"):
        distance(stereo, stereo.T)
    with pytest.raises(
        ValueError, match=r"pred has shape \(21234,\); expected \[..., channels, samples\].*pred\[None\]"
    ):
        distance(stereo[0], stereo)
    with pytest.raises(ValueError, match=r"\(3, 2, 21234\), target \(2, 2, 21234\): the axes before channels"):
        distance(np.stack([stereo] * 3), np.stack([stereo] * 2))


def test_is_silent_without_samples_is_an_error():
    with pytest.raises(ValueError, match=r"audio has shape \(2, 0\)"):
        is_silent(np.zeros((2, 0)))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (1, 5), (7, 1), (6, 9), (9, 6), (20, 20)])
def test_dtw_distance_equals_plain_loops_and_librosa(n, m):
    rng = np.random.default_rng(n * 31 + m)
    costs = np.stack([rng.random((n, m)), rng.integers(0, 3, (n, m))])  # the second has ties
    found = dtw_distance(costs)
    np.testing.assert_allclose(found, [reference_dtw(c) for c in costs], rtol=1e-12)
    expected = [librosa.sequence.dtw(C=c, weights_mul=np.array([2.0, 1, 1]), backtrack=False)[-1, -1] for c in costs]
    np.testing.assert_allclose(found, np.array(expected) / (n + m), rtol=1e-12)


def test_importing_distances_imports_no_heavy_module():
    heavy = ["librosa", "matplotlib", "numba", "pyloudnorm", "scipy.signal"]
    program = f"import sys, vjax.audio.distances; print([name for name in {heavy} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
