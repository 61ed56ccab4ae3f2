"""Powers of lines of synthetic tones with given harmonics and gains."""

import numpy as np
import pytest

from vjax.candidates.patch.tables import cycles, line_powers, solve, with_correction

POWERS = 1 / np.arange(1, 41.0) ** 2 * np.where(np.arange(1, 41) % 3 == 0, 0.1, 1)
LATER = 1 / np.arange(1, 41.0) ** 3.5


def off_db(found: np.ndarray, truth: np.ndarray) -> np.ndarray:
    return np.abs(10 * np.log10(np.maximum(found, 1e-12) / truth))


def still(time_s: np.ndarray) -> np.ndarray:
    return np.zeros(len(time_s))


def vibrato(time_s: np.ndarray) -> np.ndarray:
    """Semitones."""
    return 2 * np.sin(2 * np.pi * 4 * time_s)


def falling(time_s: np.ndarray) -> np.ndarray:
    return 7 - 10 * time_s


def lines(sketch, tone: np.ndarray, moved=still) -> tuple[np.ndarray, np.ndarray]:
    return line_powers(tone, sketch.render.sample_rate, sketch.note_hz, moved)


def test_line_powers_of_a_tone_are_its_harmonics(sketch):
    time_s, powers = lines(sketch, sketch.tone(POWERS, 0.8))
    inside = (time_s > 0.1) & (time_s < 0.7)
    assert off_db(powers[inside].mean(0)[:40], POWERS).max() < 0.7
    assert powers[inside].mean(0)[45:].max() < 1e-6
    assert powers.shape == (len(time_s), 152)


@pytest.mark.parametrize("moves", [vibrato, falling])
def test_line_powers_of_a_moving_pitch_follow_it(sketch, moves):
    time_s, powers = lines(sketch, sketch.tone(POWERS, 0.8, moves), moves)
    inside = (time_s > 0.1) & (time_s < 0.7)
    assert off_db(powers[inside].mean(0)[:8], POWERS[:8]).max() < 1.5
    lost = lines(sketch, sketch.tone(POWERS, 0.8, moves))[1]
    assert off_db(lost[inside].mean(0)[:8], POWERS[:8]).max() > 2


@pytest.mark.parametrize("hz", [16.35, 30.0, 4000.0, 15000.0])
def test_line_powers_of_extreme_pitches_are_finite(hz):
    tone = np.sin(2 * np.pi * hz * np.arange(22050) / 44100)
    _, powers = line_powers(tone, 44100, hz, lambda at: np.full(len(at), 30.0))
    assert np.isfinite(powers).all()
    assert (powers >= 0).all()
    steady = line_powers(tone, 44100, hz, still)[1][5:15].mean(0)
    assert off_db(steady[0], 1.0) < 1
    assert steady[1:].sum() < 0.05


def test_solve_with_the_true_gain_recovers_the_powers(sketch):
    """A gain that falls by 60 dB, and a filter that closes. The noise that remains has little weight."""
    rate = sketch.render.sample_rate
    time_s, _ = lines(sketch, sketch.tone(POWERS, 0.8))
    fall = 10 ** (-0.08 * np.arange(152) * time_s[:, None] - 1.5 * time_s[:, None])
    samples_s = np.arange(round(0.8 * rate)) / rate
    each = np.zeros((40, len(samples_s)))
    for k in range(40):
        only = np.where(np.arange(40) == k, POWERS, 0)
        each[k] = sketch.tone(only, 0.8) * 10 ** (-(0.08 * k + 1.5) * samples_s / 2)
    noise = 1e-2 * np.random.default_rng(0).standard_normal(len(samples_s))
    powers = lines(sketch, each.sum(0) + noise)[1]
    found = solve(powers, fall, np.ones((len(time_s), 1)))
    assert found.shape == (1, 152)
    assert off_db(found[0, :40], POWERS).mean() < 0.6
    assert off_db(found[0, :40], POWERS).max() < 2
    naive = (powers / fall).mean(0)[:40]
    assert off_db(naive, POWERS).mean() > 3 * off_db(found[0, :40], POWERS).mean()


def test_solve_of_several_frames_recovers_each():
    rng = np.random.default_rng(0)
    at = np.linspace(0, 2, 60)
    shares = np.maximum(1 - np.abs(at[:, None] - np.arange(3)), 0)
    truth = np.stack([POWERS, 0.5 * (POWERS + LATER), LATER])
    gains = np.exp(-at)[:, None] * np.ones(40)
    found = solve((shares @ truth) * gains, gains, shares)
    assert off_db(found, truth).mean() < 0.3
    noisy = solve((shares @ truth) * gains * rng.exponential(size=(60, 40)), gains, shares)
    assert off_db(noisy, truth).mean() < 2.5
    one = solve((shares[:, :1] @ truth[:1] + 0) * gains, gains * shares[:, :1], np.ones((60, 1)))
    assert off_db(one[0], truth[0]).max() < 1e-6


def test_solve_without_gain_or_sound_is_finite():
    shares = np.full((10, 2), 0.5)
    for powers, gains in ((np.zeros((10, 4)), np.ones((10, 4))), (np.ones((10, 4)), np.zeros((10, 4)))):
        for each in (shares, shares[:, :1] * 2):
            assert np.isfinite(solve(powers, gains, each)).all()


@pytest.mark.parametrize("n", [1, 3, 40, 152, 1023])
def test_cycles_of_any_number_of_harmonics_have_their_powers(n):
    powers = np.stack([1 / np.arange(1, n + 1.0), 1 / np.arange(1, n + 1.0) ** 3])
    found = cycles(powers)
    assert found.shape == (2, 2048)
    assert found.dtype == np.float32
    spectra = np.abs(np.fft.rfft(found)) / 1024
    assert off_db(spectra[:, 1 : n + 1] ** 2, powers).max() < 0.1
    assert spectra[:, 0].max() < 1e-6
    assert (cycles(powers) == found).all()
    assert (cycles(powers, seed=1) != found).any()
    phase = np.angle(np.fft.rfft(found)[:, 1 : min(n, 100) + 1])
    assert np.cos(phase[0] - phase[1]) == pytest.approx(1, abs=1e-2)  # frames fade without cancelling


def test_cycles_of_few_harmonics_continue_upwards_without_a_rise():
    found = np.abs(np.fft.rfft(cycles(POWERS[None])[0])) ** 2
    assert 0 < found[41:1023].max() <= 1.01 * found[21:41].max()


def test_cycles_of_silence_are_silent():
    assert not cycles(np.zeros((2, 30))).any()


def test_with_correction_of_bands_changes_their_lines():
    band_hz = np.array([100.0, 1000.0, 10000.0])
    step_db = np.array([[6.0, 0.0, -20.0], [0.0, 0.0, 0.0]])
    powers = np.ones((2, 100))
    found = 10 * np.log10(with_correction(powers, 100.0, band_hz, step_db))
    assert found[0, [0, 9, 99]] == pytest.approx([6, 0, -20], abs=1e-9)
    assert (np.diff(found[0]) <= 1e-9).all()
    assert not found[1].any()
    assert with_correction(powers, 20.0, band_hz, step_db)[0, 0] == pytest.approx(10**0.6)  # below: as the lowest band


def test_solve_with_a_closed_filter_leaves_its_lines_soft():
    """The noise of a recording above a low-pass would make inaudible lines of the table loud."""
    gains = np.repeat([[1.0, 1.0, 0.1, 1e-10, 1e-12]], 20, 0)
    powers = np.repeat([[1.0, 0.5, 0.01, 1e-9, 1e-9]], 20, 0)
    for frames in (1, 4):
        spectra = solve(powers, gains, np.full((20, frames), 1 / frames))
        np.testing.assert_allclose(spectra[:, :3], [[1.0, 0.5, 0.1]] * frames, rtol=0.01)
        assert spectra[:, 3:].max() < 1e-3
