"""Skeletons fitted to spectrograms of the model, and compared with the true knobs."""

import jax.numpy as jnp
import numpy as np
import pytest

from vjax.candidates.patch import fit as fitting
from vjax.candidates.patch.fit import SKELETONS, Fit, descend, fit, refit
from vjax.candidates.patch.model import Axes, Knobs, Skeleton, cutoff_midi, filter_db, gain_db, level_db
from vjax.candidates.patch.spectrogram import FLOOR_DB, Spectrogram

SAW_DB = -20 * np.log10(np.geomspace(1, 150, 64))  # falls by 6 dB an octave over the bands


def of_model(knobs: Knobs, skeleton: Skeleton, axes: Axes) -> Spectrogram:
    level = np.asarray(level_db(knobs, skeleton, axes))
    db = np.maximum(level - level.max(), FLOOR_DB).astype(np.float32)
    weight = (db.max(1) > FLOOR_DB).astype(np.float32)
    band_hz = 440 * 2 ** ((np.asarray(axes.band) - 69) / 12)
    return Spectrogram(db, np.stack([db, db]), np.asarray(axes.time_s), band_hz, weight)


@pytest.fixture(scope="module")
def plucked(sketch) -> tuple[Spectrogram, Knobs, Axes]:
    """A saw with a steep filter that closes from 100 to 70 in 0.25 s, and an envelope."""
    axes = sketch.axes()
    knobs = sketch.knobs(
        SAW_DB, attack=0.04, decay=0.2, sustain=0.5, release=0.1, cutoff=64.0, amount=40.0, filter_sustain=0.1
    )
    return of_model(knobs, SKELETONS["envelopes"]._replace(steep=1), axes), knobs, axes


@pytest.fixture(scope="module")
def rising(sketch) -> tuple[Spectrogram, Knobs, Axes]:
    axes = sketch.axes()
    knobs = sketch.knobs(
        SAW_DB, attack=0.01, decay=0.3, sustain=0.8, cutoff=55.0, amount=45.0, filter_attack=0.3, filter_sustain=0.9
    )
    return of_model(knobs, SKELETONS["envelopes"], axes), knobs, axes


@pytest.fixture(scope="module")
def fitted(plucked, rising) -> dict[str, dict[str, Fit]]:
    """Fits by sound and skeleton, with half the steps, because tests run without optimised compilation."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "FIRST_STEPS", 50)
        patch.setattr(fitting, "STEPS", 100)
        sounds = {"plucked": plucked, "rising": rising}
        return {name: {one.name: one for one in fit(sound, axes)} for name, (sound, _, axes) in sounds.items()}


@pytest.fixture(scope="module")
def hurried():
    """For tests that do not measure how good a fit is. They come last in this file."""
    with pytest.MonkeyPatch.context() as patch:
        for steps in ("FIRST_STEPS", "STEPS", "MORE_STEPS"):
            patch.setattr(fitting, steps, 2)
        yield


@pytest.fixture(scope="module")
def hasty(hurried, plucked) -> list[Fit]:
    return fit(plucked[0], plucked[2])


def test_fit_in_few_steps_is_near_with_the_right_skeletons(monkeypatch, plucked):
    sound, _, axes = plucked
    monkeypatch.setattr(fitting, "FIRST_STEPS", 12)
    monkeypatch.setattr(fitting, "STEPS", 24)
    error_db = {one.name: one.error_db for one in fit(sound, axes)}
    assert list(error_db) == list(SKELETONS)
    assert error_db["envelopes"] < 1.5
    for name in ("drawn filter", "moving table"):
        assert error_db[name] < 0.6, name
    assert error_db["no filter"] > 2
    assert error_db["envelopes"] < error_db["moving table, no filter"] - 0.8


@pytest.mark.slow
def test_fit_of_a_sound_of_the_model_is_near_with_the_right_skeletons(fitted):
    for by_skeleton in fitted.values():
        assert list(by_skeleton) == list(SKELETONS)
        assert all(np.isfinite(one.error_db) for one in by_skeleton.values())
        for name in ("envelopes", "drawn level", "drawn filter", "moving table"):
            assert by_skeleton[name].error_db < 0.6, name
        assert by_skeleton["no filter"].error_db > 2
        assert by_skeleton["envelopes"].error_db < by_skeleton["moving table, no filter"].error_db - 0.8


@pytest.mark.slow
def test_fit_of_a_pluck_recovers_its_envelope(fitted, plucked):
    found, truth = fitted["plucked"]["envelopes"].knobs, plucked[1]
    for field in ("attack", "decay", "release"):
        assert np.exp(getattr(found, field)) == pytest.approx(np.exp(getattr(truth, field)), rel=0.25), field
    assert found.sustain == pytest.approx(truth.sustain, abs=0.3)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["plucked", "rising"])
def test_fit_of_a_sound_of_the_model_recovers_level_and_cutoff(fitted, plucked, rising, name):
    sound, truth, axes = {"plucked": plucked, "rising": rising}[name]
    found = fitted[name]["envelopes"]
    assert found.skeleton.steep == (name == "plucked")
    true_gain, gain = (np.asarray(gain_db(knobs, found.skeleton, axes)) for knobs in (truth, found.knobs))
    loud = (true_gain > -50) & (sound.weight > 0)
    assert np.abs(gain - true_gain)[loud].mean() < (0.7 if name == "plucked" else 2.5)  # an opening filter hides it
    true_cutoff, cutoff = (np.asarray(cutoff_midi(knobs, found.skeleton, axes)) for knobs in (truth, found.knobs))
    while_on = axes.time_s < axes.note_s
    assert np.abs(cutoff - true_cutoff)[while_on].mean() < 2
    assert cutoff[2] == pytest.approx(true_cutoff[2], abs=3)
    assert cutoff[while_on][-1] == pytest.approx(true_cutoff[while_on][-1], abs=2)


def test_refit_with_a_render_that_is_too_bright_darkens_the_table(sketch):
    axes, skeleton = sketch.axes(), SKELETONS["envelopes"]
    knobs = sketch.knobs(SAW_DB, sustain=0.7, cutoff=100.0, amount=10.0)
    sound = of_model(knobs, skeleton, axes)
    upper = np.arange(64) >= 40
    bright = np.where(sound.db > FLOOR_DB, sound.db + 6 * upper, FLOOR_DB)
    darker, equal = refit([(skeleton, knobs, axes)] * 2, np.stack([bright, sound.db]), sound)
    before, after, still = (np.asarray(level_db(k, skeleton, axes)) for k in (knobs, darker, equal))
    step, seen = after - before, sound.db > FLOOR_DB + 6
    assert step[seen & upper].mean() - step[seen & ~upper].mean() == pytest.approx(-6, abs=1.5)
    off = (still - before)[seen]
    assert np.abs(off - np.median(off)).mean() < 0.3  # without the level: MSS is relative to a sound's maximum
    table = (darker.spectrum_db - knobs.spectrum_db).mean(0)
    assert table[45:].mean() < table[5:35].mean() - 3


def test_refit_with_a_render_that_is_released_late_shortens_the_release(plucked):
    sound, knobs, axes = plucked
    skeleton = SKELETONS["envelopes"]._replace(steep=1)
    longer = of_model(knobs._replace(release=knobs.release + np.float32(np.log(1.5))), skeleton, axes)
    (found,) = refit([(skeleton, knobs, axes)], longer.db[None], sound)
    assert np.exp(found.release - knobs.release) == pytest.approx(1 / 1.5, abs=0.15)
    before, after = (np.asarray(filter_db(one, skeleton, axes)) for one in (knobs, found))
    while_on = axes.time_s < axes.note_s
    assert np.abs(after - before)[while_on, :40].mean() < 1.5


def test_fit_of_another_sound_of_the_same_length_compiles_nothing(hurried, hasty, sketch, plucked, rising):
    """Nor do another note length, a pitch that moves, or more patches in `refit`."""
    sound, _, axes = plucked
    one = hasty[0]
    refit([(one.skeleton, one.knobs, axes)], sound.db[None], sound)
    functions = (descend, fitting._factors, fitting._mapped)
    before = [function._cache_size() for function in functions]
    moved = sketch.axes(lambda time_s: 5 * np.sin(30 * time_s))._replace(note_s=jnp.float32(0.3))
    others = fit(rising[0], moved)[:3]
    refit([(one.skeleton, one.knobs, moved) for one in others], np.stack([sound.db] * 3), sound)
    assert [function._cache_size() for function in functions] == before


@pytest.mark.slow
def test_fit_of_the_same_sound_twice_is_equal(hurried, hasty, plucked):
    sound, _, axes = plucked
    for one, other in zip(hasty, fit(sound, axes), strict=True):
        assert one.error_db == other.error_db
        assert all(np.array_equal(a, b) for a, b in zip(one.knobs, other.knobs, strict=True))


@pytest.mark.parametrize("kind", ["silence", pytest.param("noise", marks=pytest.mark.slow)])
def test_fit_of_a_sound_without_curves_is_finite(hurried, plucked, kind):
    like, _, axes = plucked
    shape = like.db.shape
    db = {
        "silence": np.full(shape, FLOOR_DB),
        "noise": np.random.default_rng(0).uniform(-20, 0, shape),
    }[kind].astype(np.float32)
    for one in fit(like._replace(db=db), axes):
        assert np.isfinite(one.error_db)
        assert all(np.isfinite(leaf).all() for leaf in one.knobs)
