"""Tests of vjax.search.objective against the distances and NumPy."""

import numpy as np
import pytest

from vjax.audio.distances import ATTACK_MS, mrstft, mss, mss_padded, rse
from vjax.audio.loudness import loudness_lufs
from vjax.search.objective import TERMS, TYPICAL, Objective, ObjectiveConfig

SAMPLES, RATE = 22050, 44100


@pytest.fixture(scope="module")
def sounds() -> np.ndarray:
    """[4, 2, samples]: two tones, noise, and the second tone half as loud."""
    rng = np.random.default_rng(0)
    t_s = np.arange(SAMPLES) / RATE
    low, high = (0.4 * np.sin(2 * np.pi * hz * t_s * np.array([[1.0], [1.01]])) for hz in (220, 1500))
    return np.stack([low, high, 0.1 * rng.normal(size=low.shape), 0.5 * high]).astype(np.float32)


@pytest.fixture(scope="module")
def objective(sounds) -> Objective:
    made = Objective(ObjectiveConfig(), lanes=2, batch=3, samples=SAMPLES, sample_rate=RATE)
    made.set_target(0, sounds[0])
    made.set_target(1, sounds[1])
    return made


def test_distances_equal_the_distances_of_the_reports(objective, sounds):
    lanes = [0, 1, 1]
    losses, found = objective.distances(sounds[1:], lanes)
    for i, lane in enumerate(lanes):
        target = sounds[lane]
        assert found[i, 0] == pytest.approx(float(mss(sounds[i + 1], target)), rel=1e-4, abs=1e-4)
        assert found[i, 1] == pytest.approx(float(mrstft(sounds[i + 1], target)), rel=1e-4, abs=1e-4)
        assert found[i, TERMS.index("rse")] == pytest.approx(float(rse(sounds[i + 1], target)), rel=1e-4, abs=1e-4)
    defaults = {"mss": 1, "mrstft": 1, "ltas": 1, "loudness": 0.25, "rse": 0, "attack": 0}
    weights = np.array([defaults[term] / TYPICAL[term] for term in TERMS])
    np.testing.assert_allclose(losses, found @ weights, rtol=1e-5)


def test_distances_of_a_short_sound_are_not_diluted_by_its_padding(sounds):
    """One target lasts 0.05 s in a clip of 0.5 s, another fills the clip. One candidate is as short as the first."""
    short = sounds.copy()
    short[..., 2205:] = 0
    objective = Objective(ObjectiveConfig(), lanes=2, batch=3, samples=SAMPLES, sample_rate=RATE)
    objective.set_target(0, short[0])
    objective.set_target(1, sounds[0])
    _, found = objective.distances(np.stack([short[1], sounds[1], short[1]]), [0, 0, 1])
    pairs = ((short[1], short[0]), (sounds[1], short[0]), (short[1], sounds[0]))
    assert found[:, 0] == pytest.approx([float(mss(*pair)) for pair in pairs], rel=1e-4)
    assert found[0, 0] > 5 * mss_padded(short[1], short[0])


def test_distances_of_a_sound_to_itself_are_zero(objective, sounds):
    losses, _ = objective.distances(sounds[:2], [0, 1])
    np.testing.assert_allclose(losses, 0, atol=1e-5)


def test_distances_at_half_the_level_are_six_db_and_the_same_spectrum(objective, sounds):
    _, found = objective.distances(sounds[3:], [1])
    terms = dict(zip(TERMS, found[0], strict=True))
    assert terms["loudness"] == pytest.approx(6.02, abs=0.05)
    assert terms["ltas"] == pytest.approx(6.02, abs=0.3)  # bands at the lower limit change less
    assert terms["mss"] < 0.5


def test_distances_of_steady_sounds_have_the_loudness_of_the_standard(objective, sounds):
    _, found = objective.distances(sounds[2:3], [0])
    expected = abs(loudness_lufs(sounds[2]) - loudness_lufs(sounds[0]))
    assert found[0, 3] == pytest.approx(float(expected), abs=0.5)


def test_distances_of_reversed_noise_have_no_ltas(objective, sounds):
    """Reversed noise differs in each frame, but its average spectrum is the same."""
    objective.set_target(0, sounds[2])
    _, found = objective.distances(sounds[2:3, :, ::-1].copy(), [0])
    objective.set_target(0, sounds[0])
    terms = dict(zip(TERMS, found[0], strict=True))
    assert terms["mss"] > 2
    assert terms["ltas"] < 0.2


def test_distances_attack_compares_the_first_80_ms_alone(objective, sounds):
    """One sound is the target with noise after the attack, the other one with noise in it, at the same level."""
    after = round((ATTACK_MS + 15) * RATE / 1000)  # the window of the last frame, and a little more
    late, early = sounds[0].copy(), sounds[0].copy()
    late[:, after:] += sounds[2, :, after:]
    early[:, :after] += sounds[2, :, :after]
    _, found = objective.distances(np.stack([late, early]), [0, 0])
    attack = found[:, TERMS.index("attack")]
    assert attack[0] < 0.5
    assert attack[1] > 10


def test_objective_with_a_weight_of_rse_adds_that_term_to_the_loss(objective, sounds):
    weighted = Objective(ObjectiveConfig(rse=2.0), lanes=1, batch=3, samples=SAMPLES, sample_rate=RATE)
    weighted.set_target(0, sounds[0])
    losses, found = weighted.distances(sounds[1:], [0, 0, 0])
    plain, _ = objective.distances(sounds[1:], [0, 0, 0])
    added = 2.0 / TYPICAL["rse"] * found[:, TERMS.index("rse")]
    np.testing.assert_allclose(losses - plain, added, rtol=1e-4)


def test_levelled_equals_the_loss_of_the_candidate_with_that_gain(objective, sounds):
    """The candidate is 6 dB too soft. Then the gain is limited to 2 dB and to 0 dB."""
    for (low, high), expected_db in (((-60, 12), 6.02), ((-60, 2), 2.0), ((0, 0), 0.0)):
        losses, gains_db = objective.levelled(sounds[3:], [1], np.array([[low, high]]))
        assert gains_db == pytest.approx([expected_db], abs=0.01)
        louder = sounds[3:] * np.float32(10 ** (gains_db[0] / 20))
        assert losses == pytest.approx(objective.distances(louder, [1])[0], abs=0.01)


def test_levelled_one_at_a_time_returns_the_same_bits_for_any_lanes(sounds):
    """A refinement scores one candidate at a time, so that the result of a target does not depend on other targets."""
    found = set()
    for lanes in (1, 3):
        alone = Objective(ObjectiveConfig(), lanes, 1, SAMPLES, RATE)
        for lane in range(lanes):
            alone.set_target(lane, sounds[(lanes - 1 - lane) % 2])
        losses, gains_db = alone.levelled(sounds[2:3], [lanes - 1], np.array([[-60, 12]]))
        found.add((losses.tobytes(), gains_db.tobytes()))
    assert len(found) == 1


def test_distances_of_silence_and_broken_sounds_are_nan(objective, sounds):
    broken = sounds[:3].copy()
    broken[0] = 0
    broken[1, 0, 5] = np.nan
    losses, _ = objective.distances(broken, [0, 0, 0])
    assert np.isnan(losses[:2]).all()
    assert np.isfinite(losses[2])


def test_set_target_with_silence_or_another_shape_is_an_error(objective, sounds):
    with pytest.raises(ValueError, match="silent"):
        objective.set_target(0, np.zeros_like(sounds[0]))
    with pytest.raises(ValueError, match=r"\(1, 22050\)"):
        objective.set_target(0, sounds[0][:1])


@pytest.mark.parametrize("weights", [{"mss": -1.0}, {"mss": 0.0, "mrstft": 0.0, "ltas": 0.0, "loudness": 0.0}])
def test_objective_config_with_impossible_weights_is_an_error(weights):
    with pytest.raises(ValueError, match="weights"):
        ObjectiveConfig(**weights)
