"""Tests of vjax.vital.lfo_shapes: curves against the real engine, identity by content, and the catalog."""

import copy
import functools
import json

import numpy as np
import pytest
import vita
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import hilbert

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.checks import check_curve
from vjax.vital.lfo_shapes import LfoShapeCatalog, shape_json, shape_key, shape_values, standard_shapes
from vjax.vital.standard_tables import standard_catalog

CYCLE_S = 0.5
RENDER = RenderConfig(seconds=CYCLE_S, note_s=CYCLE_S)


def mixed_powers() -> dict:
    shape = shape_json("Mixed", [(0, 0.3), (0.2, 0.9), (0.45, 0.1), (0.7, 0.6), (1, 0.2)])
    return {**shape, "powers": [5.0, -7.0, 0.005, -2.0, 0.0]}


PLAYED = [
    *(shape_json(f"Bend {bend}", [(0, 0), (0.5, 1), (1, 0.2)], bend=bend) for bend in (0, 3, -3, 9, -9)),
    *(shape_json(f"Smooth {bend}", [(0, 0), (0.5, 1), (1, 0.2)], bend, smooth=True) for bend in (0, 4, -4)),
    mixed_powers(),
    {**mixed_powers(), "smooth": True},
    shape_json("Steps", [(0, 0.2), (0.25, 0.2), (0.25, 0.9), (0.75, 0.9), (0.75, 0.5), (1, 0.5)]),
    shape_json("Most points", [(i / 99, 0.5 + 0.4 * np.sin(i / 10)) for i in range(100)]),
]


def played_by_lfo_1(shape) -> RenderJob:
    """A sine whose level (from 0) is driven by the shape, one cycle in the half second of the recording."""
    made = copy.deepcopy(synth.init_preset())
    tables = standard_catalog()
    made["settings"]["wavetables"][0] = tables.tables[tables.names.index("Sine")]
    made["settings"]["lfos"][0] = shape
    made["settings"]["modulations"][0] = {"source": "lfo_1", "destination": "osc_1_level"}
    made["settings"] |= {
        "modulation_1_amount": 1.0,
        "osc_1_level": 0.0,
        "osc_1_random_phase": 0.0,
        "env_1_attack": 0.0,
        "env_1_sustain": 1.0,
        "lfo_1_sync": 0.0,  # in seconds
        "lfo_1_frequency": float(np.log2(1 / CYCLE_S)),
        "lfo_1_smooth_time": -10.0,  # 1 ms
    }
    return RenderJob(made, (96,))


@functools.cache
def full_level() -> float:
    return float(np.median(envelope_of(shape_json("Full", [(0, 1), (1, 1)]))))


def envelope_of(shape) -> np.ndarray:
    """[samples]: the amplitude that the shape gives to a sine."""
    with RenderPool(RENDER, workers=1) as pool:
        sound = pool.render(played_by_lfo_1(shape)).audio[0, 0].astype(float)
    window = np.hanning(128) / np.hanning(128).sum()
    return np.convolve(np.abs(hilbert(sound)), window, "same")


QUICK = ("Bend 3", "Smooth -4", "Mixed", "Steps")


@pytest.mark.parametrize(
    "shape",
    [
        pytest.param(one, id=f"{one['name']}{i}", marks=() if one["name"] in QUICK else pytest.mark.slow)
        for i, one in enumerate(PLAYED)
    ],
)
def test_shape_values_equal_the_engine(shape):
    """The square root of the envelope, because Vital squares levels; 1 for a full LFO."""
    played = np.sqrt(envelope_of(shape) / full_level())
    drawn = shape_values(shape, len(played))
    # The control rate blurs corners and jumps by some milliseconds, and the square root a level near nothing.
    near = np.lib.stride_tricks.sliding_window_view(np.pad(drawn, 200, mode="edge"), 401)
    steady = (np.ptp(near, axis=1) < 0.12) & (drawn > 0.05)
    steady[:500] = steady[-500:] = False  # the envelope's own edges
    assert steady.mean() > 0.3
    assert np.abs(played - drawn)[steady].max() < 0.01
    assert np.abs(played - drawn)[steady].mean() < 0.002


def test_shape_values_by_hand():
    np.testing.assert_allclose(shape_values(shape_json("Up", [(0, 0), (1, 1)]), 5), [0, 0.25, 0.5, 0.75, 1])
    np.testing.assert_allclose(shape_values(shape_json("S", [(0, 0), (1, 1)], smooth=True), 5)[[0, 2, 4]], [0, 0.5, 1])
    rising = shape_values(shape_json("Swell", [(0, 0), (1, 1)], bend=4), 5)
    np.testing.assert_allclose(rising, (np.exp(4 * np.arange(5) / 4) - 1) / (np.exp(4) - 1))
    falling = shape_values(shape_json("Snap", [(0, 0), (1, 1)], bend=-4), 5)
    np.testing.assert_allclose(falling, 1 - rising[::-1])
    step = shape_values(shape_json("Step", [(0, 0.2), (0.5, 0.2), (0.5, 0.9), (1, 0.9)]), 100)
    np.testing.assert_allclose(step, np.repeat([0.2, 0.9], 50))


@st.composite
def shapes(draw):
    n = draw(st.integers(2, 100))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    phases = np.concatenate([[0], np.sort(rng.uniform(0, 1, n - 2)), [1]])
    if n > 5:
        phases[3] = phases[2]  # a jump
    shape = shape_json("Any", list(zip(phases.tolist(), rng.uniform(0, 1, n).tolist(), strict=True)))
    return {**shape, "powers": rng.uniform(-20, 20, n).tolist(), "smooth": bool(rng.integers(2))}


@settings(deadline=None, max_examples=40)
@given(shapes())
def test_shape_values_stay_between_the_points_and_end_at_them(shape):
    values = shape_values(shape)
    heights = 1 - np.array(shape["points"][1::2])
    assert (values >= heights.min() - 1e-9).all()
    assert (values <= heights.max() + 1e-9).all()
    assert values[0] == pytest.approx(heights[0])
    assert values[-1] == pytest.approx(heights[-1])
    check_curve(shape, "LFO")


@pytest.mark.parametrize("power", [1e4, -1e4])
def test_shape_values_with_extreme_powers_draw_a_corner(power):
    values = shape_values({**shape_json("Corner", [(0, 0), (1, 1)]), "powers": [power, power]}, 101)
    np.testing.assert_allclose(values[10:90], float(power < 0), atol=1e-3)


def test_shape_key_depends_only_on_the_curve():
    first = shape_json("Triangle", [(0, 0), (0.3, 1), (1, 0)], bend=2)
    more = {
        **first,
        "name": "Triangle 2",
        "points": [*first["points"], 0.5, 0.5],  # beyond num_points
        "powers": [2.0, 2.0, 7.0, 1.0],  # the last point's moves nothing
    }
    assert shape_key(first) == shape_key(more)
    np.testing.assert_array_equal(shape_values(first), shape_values(more))
    for different in (
        shape_json("Triangle", [(0, 0), (0.31, 1), (1, 0)], bend=2),
        shape_json("Triangle", [(0, 0), (0.3, 1), (1, 0)], bend=-2),
        shape_json("Triangle", [(0, 0), (0.3, 1), (1, 0)], bend=2, smooth=True),
    ):
        assert shape_key(different) != shape_key(first)


def test_find_of_standard_shapes_saved_by_the_engine_returns_their_index():
    """It saves coordinates in float32; the catalog must find its own shapes again."""
    catalog, engine = standard_shapes(), vita.Synth()
    for start in range(0, len(catalog), 8):
        made = copy.deepcopy(synth.init_preset())
        indices = [(start + i) % len(catalog) for i in range(8)]
        made["settings"]["lfos"] = [catalog.shapes[i] for i in indices]
        assert engine.load_json(json.dumps(made))
        assert [catalog.find(shape) for shape in json.loads(engine.to_json())["settings"]["lfos"]] == indices


def test_standard_shapes_differ_and_pass_the_checks():
    catalog = standard_shapes()
    assert len(catalog) >= 20
    assert len(set(catalog.names)) == len(catalog)
    assert [catalog.find(shape) for shape in catalog.shapes] == list(range(len(catalog)))
    curves = np.stack([shape_values(shape) for shape in catalog.shapes])
    distances = np.abs(curves[:, None] - curves[None]).mean(-1) + np.eye(len(catalog))
    assert distances.min() > 0.01
    for shape in catalog.shapes:
        check_curve(shape, shape["name"])


def test_standard_shapes_begin_with_the_init_triangle():
    assert [standard_shapes().find(shape) for shape in synth.init_preset()["settings"]["lfos"]] == [0] * 8


def test_nearest_returns_the_least_mean_difference():
    catalog = standard_shapes()
    bent = shape_json("Almost a saw", [(0, 0), (0.5, 0.52), (1, 1)])
    index, distance = catalog.nearest(bent)
    assert catalog.names[index] == "Saw Up"
    # Two triangles of height 0.02 and width 1.
    assert distance == pytest.approx(0.01, rel=0.02)
    assert catalog.nearest(catalog.shapes[7]) == (7, 0.0)


def test_extended_adds_new_shapes_beyond_the_threshold():
    catalog = standard_shapes().first(4)
    assert catalog.names == ("Triangle", "Sine", "Saw Up", "Saw Down")
    renamed = {**catalog.shapes[2], "name": "My saw"}
    near = shape_json("Near", [(0, 0), (0.5, 0.52), (1, 1)])
    flat = shape_json("Flat", [(0, 0.5), (1, 0.5)])
    grown = catalog.extended([flat, renamed, near, flat])
    assert grown.names == (*catalog.names, "Flat", "Near")
    assert catalog.extended([flat, renamed, near, flat], threshold=0.02).names == (*catalog.names, "Flat")
    assert len(catalog) == 4


def test_find_of_equal_shapes_returns_the_first():
    saw = standard_shapes().shapes[2]
    assert LfoShapeCatalog((standard_shapes().shapes[0], saw, {**saw, "name": "B"})).find(saw) == 1
