"""Comb, phaser and formant laws against the harmonics of a quiet saw in the real engine."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from vjax.vital.laws.filters import COMB, FORMANT, PHASER, note_hz
from vjax.vital.laws.resonators import comb_response, formant_response, phaser_response

COMBS = (  # cutoff in semitones, resonance, blend, blend transpose
    (50.0, 0.5, 0.0, 42.0),
    (60.0, 0.7, 0.0, 42.0),
    (60.0, 0.2, 0.8, 30.0),
    (70.0, 0.6, 2.0, 42.0),
    (66.3, 0.8, 1.3, 60.0),
)
PHASERS = (  # cutoff in semitones, resonance, drive in dB, blend
    (50.0, 0.0, 0.0, 0.0),
    (60.0, 0.5, 0.0, 1.0),
    (80.0, 0.7, 0.0, 2.0),
    (76.0, 0.4, 6.0, 0.5),
)
FORMANTS = (  # x, y, resonance, transpose, spread
    (0.0, 0.0, 0.85, 0.0, 0.0),
    (1.0, 0.0, 0.85, 0.0, 0.0),
    (0.0, 1.0, 0.85, 0.0, 0.0),
    (1.0, 1.0, 0.85, 0.0, 0.0),
    (0.5, 0.3, 0.6, 5.0, 0.3),
    (0.2, 0.9, 1.0, -7.0, -0.4),
)


@pytest.fixture(scope="module")
def mean_error_db(play, harmonics_db):
    """`mean_error_db(names, cases, law)`: for each case, over the harmonics within 80 dB of the strongest."""

    def measure(model, names, cases, law) -> np.ndarray:
        variations = [
            {"osc_1_destination": 0.0, "filter_1_style": float(style), **dict(zip(names, knobs, strict=True))}
            for style, knobs in cases
        ]
        settings = {"filter_1_on": 1.0, "filter_1_model": float(model)}
        audio = play([{"osc_1_destination": 3.0}, *variations], settings, seconds=1.0)
        frequency_hz, level_db = harmonics_db(audio[:, 0])
        errors = []
        for (style, knobs), wet in zip(cases, level_db[1:], strict=True):
            predicted = 20 * np.log10(np.abs(np.asarray(law(frequency_hz, knobs, style))) + 1e-9)
            audible = wet > level_db[0].max() - 80
            errors.append(np.abs(predicted - (wet - level_db[0]))[audible].mean())
        return np.array(errors)

    return measure


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param([(style, COMBS[style % len(COMBS)]) for style in range(6)], id="each style"),
        pytest.param(list(itertools.product(range(6), COMBS)), id="all", marks=pytest.mark.slow),
    ],
)
def test_comb_response_equals_the_engine(mean_error_db, cases):
    names = ["filter_1_cutoff", "filter_1_resonance", "filter_1_blend", "filter_1_blend_transpose"]
    errors = mean_error_db(COMB, names, cases, lambda f, knobs, style: comb_response(f, *knobs, style))
    np.testing.assert_array_less(errors, 0.05)


def test_phaser_response_equals_the_engine(mean_error_db):
    names = ["filter_1_cutoff", "filter_1_resonance", "filter_1_drive", "filter_1_blend"]
    cases = list(itertools.product(range(2), PHASERS))
    errors = mean_error_db(
        PHASER, names, cases, lambda f, knobs, style: phaser_response(f, note_hz(knobs[0]), *knobs[1:], style)
    )
    np.testing.assert_array_less(errors, 0.05)


def test_formant_response_equals_the_engine(mean_error_db):
    names = [f"filter_1_formant_{knob}" for knob in ("x", "y", "resonance", "transpose", "spread")]
    cases = list(itertools.product(range(2), FORMANTS))
    errors = mean_error_db(FORMANT, names, cases, lambda f, knobs, style: formant_response(f, *knobs, style))
    np.testing.assert_array_less(errors, 0.05)


@pytest.mark.parametrize(
    ("law", "edges"),
    [
        (
            lambda f, k: comb_response(f, k[0], k[1], k[2], k[3], 0),
            [(8.0, 136.0), (0.0, 0.5, 1.0), (0.0, 2.0), (0.0, 84.0)],
        ),
        pytest.param(
            lambda f, k: comb_response(f, k[0], k[1], k[2], k[3], 5),
            [(8.0, 136.0), (0.0, 0.5, 1.0), (0.0, 2.0), (0.0, 84.0)],
            marks=pytest.mark.slow,
        ),
        (
            lambda f, k: phaser_response(f, note_hz(k[0]), k[1], k[2], k[3]),
            [(8.0, 136.0), (0.0, 0.9), (0.0,), (0.0, 1.0)],
        ),
        (
            lambda f, k: formant_response(f, k[0], k[1], k[2], k[3], 0.0),
            [(0.0, 1.0), (0.0, 1.0), (0.3, 1.0), (-12.0, 12.0)],
        ),
    ],
    ids=["comb", "negative flange with a band", "phaser", "formant"],
)
def test_responses_have_finite_gradients_at_the_edges(law, edges):
    frequency_hz = jnp.array([20.0, 1000.0, 20000.0])
    power = jax.jit(jax.vmap(jax.jacobian(lambda knobs: jnp.abs(law(frequency_hz, knobs)) ** 2)))
    assert np.isfinite(power(jnp.array(list(itertools.product(*edges))))).all()


def test_comb_and_formant_response_reject_an_unknown_style():
    with pytest.raises(ValueError, match="style is 6"):
        comb_response(100.0, 60.0, 0.5, style=6)
    with pytest.raises(ValueError, match="style is 2; it must be 0"):
        formant_response(100.0, 0.5, 0.5, style=2)
