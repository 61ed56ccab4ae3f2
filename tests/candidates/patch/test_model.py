"""The model of a patch against the engine's renders of the preset that is written from the same knobs."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.candidates.patch.fit import SKELETONS
from vjax.candidates.patch.model import N_FRAMES, N_NODES, Knobs, Skeleton, axes_of, frame_shares, level_db
from vjax.candidates.patch.pitch_curve import PitchCurve
from vjax.candidates.patch.pitch_shapes import DrawnCurve
from vjax.candidates.patch.pitch_write import with_pitch_curve
from vjax.candidates.patch.spectrogram import FLOOR_DB, spectrogram

# Frames of a cycle that begins as a saw and loses its upper lines.
DARKER = 1 / np.arange(1, 169.0) ** np.array([2.0, 2.5, 3.2, 4.0])[:, None]
WOBBLE = {
    "drawn_gain_db": -12 + 12 * np.cos(np.linspace(0, 3 * np.pi, N_NODES)),
    "drawn_cutoff": 18 * np.sin(np.linspace(0, 2 * np.pi, N_NODES)),
}
RISING = {"filter_attack": 0.25, "filter_decay": 0.2, "attack": 0.15}


def glide(time_s: np.ndarray) -> np.ndarray:
    """Semitones."""
    return 12 * np.exp(-time_s / 0.08)


CASES = {
    "envelopes": ("envelopes", {}, {}),
    "steep": ("envelopes", {}, {"steep": 1}),
    "resonant": ("envelopes", {"q": 3.0}, {}),
    "rising": ("envelopes", RISING, {}),
    "no filter": ("no filter", {}, {}),
    "light reverb": ("envelopes, reverb", {"wet_db": -14.0, "t60": 0.8, "sustain": 0.3}, {}),
    "strong reverb": ("envelopes, reverb", {"wet_db": -8.0, "t60": 1.2, "sustain": 0.3}, {}),
    "drawn level": ("drawn level", WOBBLE, {}),
    "drawn filter": ("drawn filter", WOBBLE, {}),
    "drawn level and filter": ("drawn level and filter", WOBBLE, {"steep": 1}),
    "moving table": ("moving table", {}, {}),
    "moving table, no filter": ("moving table, no filter", {}, {}),
    "moved pitch": ("envelopes", {}, {}),
}


def shown(level: np.ndarray) -> np.ndarray:
    """As a spectrogram shows it: relative to the loudest, above the floor."""
    return np.maximum(level - level.max(), FLOOR_DB)


def difference_db(sketch, case: str) -> np.ndarray:
    """[t, bands] model - engine, while the sound lasts."""
    name, values, on = CASES[case]
    powers = DARKER if "moving table" in case else sketch.saw
    moves = case == "moved pitch"
    axes = sketch.axes(glide if moves else None)
    knobs = sketch.knobs(sketch.spectra_db(powers), **values)
    preset = sketch.preset(name, knobs, axes, powers, **on)
    if moves:
        node_s = np.concatenate([np.linspace(0, 0.4, 14), [0.8]])
        curve = PitchCurve(sketch.note, DrawnCurve(tuple(node_s), tuple(glide(node_s))), 0.0)
        preset = with_pitch_curve(preset, curve, float(axes.time_s[-1]))
    model = shown(np.asarray(level_db(knobs, SKELETONS[name]._replace(**on), axes)))
    (audio,) = sketch.play(preset)
    engine = spectrogram(audio, sketch.render.sample_rate)
    return (model - engine.db)[engine.weight > 0]


QUICK = ("envelopes", "light reverb", "drawn level and filter", "moving table", "moved pitch")


@pytest.mark.parametrize("case", [pytest.param(one, marks=() if one in QUICK else pytest.mark.slow) for one in CASES])
def test_level_db_of_knobs_agrees_with_the_engine(sketch, case):
    # A reverb's lines arrive with any phase: each band scatters, and only their mean is the model's.
    limit_db = {"moved pitch": 1.5, "light reverb": 1.5, "strong reverb": 2.7}.get(case, 0.8)
    difference = difference_db(sketch, case)
    assert np.abs(difference).mean() < limit_db
    assert abs(difference.mean()) < 1.0


def test_axes_of_a_steady_pitch_map_each_band_to_itself(sketch):
    axes = sketch.axes()
    at = np.asarray(axes.below + axes.share)
    assert at == pytest.approx(np.broadcast_to(np.arange(64), at.shape), abs=1e-4)
    assert (np.diff(axes.node_s) > 0).all()
    assert axes.node_s.shape == (N_NODES,)
    assert axes.frame_s.shape == (N_FRAMES,)
    assert np.asarray(frame_shares(axes)).sum(1) == pytest.approx(1)


def test_axes_of_a_moved_pitch_map_each_band_to_the_band_of_the_source(sketch):
    """An octave up, a band shows what lies an octave below it in the table."""
    axes = sketch.axes(lambda time_s: np.where(time_s < 0.4, 12.0, 0.0))
    at, band = np.asarray(axes.below + axes.share), np.asarray(axes.band)
    source = np.interp(at, np.arange(64), band)
    higher = band > band[0] + 12
    assert source[10, higher] == pytest.approx(band[higher] - 12, abs=0.01)
    assert source[60] == pytest.approx(band, abs=0.01)
    assert (source[10, ~higher] == band[0]).all()


def test_axes_of_a_falling_spectrum_measure_its_slope(sketch):
    axes = sketch.axes()
    octave = np.asarray(axes.band) / 12
    assert float(-5 * octave @ np.asarray(axes.tilt)) == pytest.approx(-5, abs=0.01)
    one = axes_of(np.arange(5) * 0.01, np.geomspace(30, 20000, 64), 0.04, np.arange(64) == 3)
    assert np.isfinite(one.tilt).all()


def limited(low: float, high: float) -> st.SearchStrategy[float]:
    return st.floats(low, high, allow_subnormal=False)


TIMES = limited(np.log(1e-3), np.log(8.0))
ANY_KNOBS = st.builds(
    Knobs,
    spectrum_db=st.lists(limited(-200, 100), min_size=4, max_size=4).map(
        lambda slopes: np.stack([np.linspace(0, slope, 64) for slope in slopes])
    ),
    **{name: TIMES for name in Knobs._fields if name.endswith(("attack", "decay", "release"))},
    **{name: limited(-30, 30) for name in ("sustain", "filter_sustain")},
    **{name: limited(-20, 20) | st.just(0.0) for name in ("decay_power", "filter_decay_power")},
    cutoff=limited(-50, 200),
    amount=limited(-200, 200),
    log_q=limited(np.log(0.2), np.log(16.0)),
    drawn_cutoff=limited(-100, 100).map(lambda span: np.linspace(0, span, N_NODES)),
    drawn_gain_db=limited(-200, 20).map(lambda span: np.linspace(0, span, N_NODES)),
    wet_db=limited(-60, 30),
    t60=limited(np.log(0.02), np.log(20.0)),
)


@pytest.fixture(scope="module")
def slope():
    """Values and the gradient of a weighted sum of them, compiled once."""
    time_s = np.arange(0, 0.8, 0.04)
    axes = axes_of(time_s, np.geomspace(30, 20000, 64), 0.5, np.ones(64, bool), glide(time_s))
    weight = np.linspace(1, 2, 20)[:, None]

    def weighted(knobs: Knobs, skeleton: Skeleton) -> tuple[jax.Array, jax.Array]:
        level = level_db(knobs, skeleton, axes)
        return (level * weight).mean(), level

    return jax.jit(jax.value_and_grad(weighted, has_aux=True))


@settings(deadline=None, max_examples=60)
@given(ANY_KNOBS, st.sampled_from(sorted(SKELETONS)), st.sampled_from([0.0, 1.0]))
def test_level_db_of_any_knobs_has_finite_values_and_gradients(slope, knobs, name, steep):
    skeleton = SKELETONS[name]._replace(steep=steep)
    as_floats = (jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), tree) for tree in (knobs, skeleton))
    (_, level), gradient = slope(*as_floats)
    assert np.isfinite(level).all()
    for field, values in zip(Knobs._fields, gradient, strict=True):
        assert np.isfinite(values).all(), field
