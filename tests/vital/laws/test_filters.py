"""Filter laws against the harmonics of a quiet saw in the real engine, over a grid of settings."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.vital.laws import filters
from vjax.vital.laws.filters import DIGITAL, DIODE, LADDER, filter_gain_db, note_hz

MODELS = {"analog": 0, "dirty": 1, "ladder": 2, "digital": 3, "diode": 4}
STYLES = {"12 dB": 0, "24 dB": 1, "notch blend": 2, "notch spread": 3, "band-peak-notch": 4}
# Cutoff in semitones, resonance, drive in dB, blend.
SETTINGS = (
    (60.0, 0.0, 0.0, 0.0),
    (60.0, 0.5, 0.0, 0.0),
    (100.0, 0.7, 0.0, 0.0),
    (124.0, 0.5, 0.0, 0.0),
    (76.0, 0.4, 6.0, 0.6),
    (76.0, 0.4, 0.0, 1.0),
    (76.0, 0.4, 0.0, 1.5),
    (76.0, 0.4, 0.0, 2.0),
    (90.0, 0.2, 16.0, 1.2),
)
AUDIBLE_DB = 80.0  # below the loudest harmonic; weaker ones are ignored


QUICK = zip(MODELS, STYLES, strict=True)  # each model and each style once
EACH = pytest.mark.parametrize(
    ("model", "style"),
    [
        *(pytest.param(MODELS[model], STYLES[style], id=f"{model}-{style}") for model, style in QUICK),
        *(
            pytest.param(MODELS[model], STYLES[style], id=f"{model}-{style}", marks=pytest.mark.slow)
            for i, model in enumerate(MODELS)
            for k, style in enumerate(STYLES)
            if i != k
        ),
    ],
)


def measured(play, harmonics_db, model, style):
    """(frequencies [n], gains [settings, n] in dB, NaN where nothing is audible)."""
    variations = [
        {
            "osc_1_destination": 0.0,
            "filter_1_model": model,
            "filter_1_style": style,
            "filter_1_cutoff": cutoff,
            "filter_1_resonance": resonance,
            "filter_1_drive": drive_db,
            "filter_1_blend": blend,
        }
        for cutoff, resonance, drive_db, blend in SETTINGS
    ]
    audio = play([{"osc_1_destination": 3.0}, *variations], {"filter_1_on": 1.0})
    frequency_hz, level_db = harmonics_db(audio[:, 0])
    dry, wet = level_db[0], level_db[1:]
    return frequency_hz, np.where(wet > dry.max() - AUDIBLE_DB, wet - dry, np.nan)


@EACH
def test_filter_gain_db_equals_the_engine(play, harmonics_db, model, style):
    frequency_hz, gains = measured(play, harmonics_db, model, style)
    for setting, gain_db in zip(SETTINGS, gains, strict=True):
        cutoff, resonance, drive_db, blend = setting
        law = filter_gain_db(frequency_hz, note_hz(cutoff), resonance, drive_db, blend, model, style)
        error_db = np.abs(np.asarray(law) - gain_db)
        assert np.nanmean(error_db) < 0.15, setting
        assert np.isfinite(error_db).sum() >= 10, setting


LOUDER = (  # model, style, mean error in dB at a level of 0.35 and a resonance of at most 0.6, as the module states it
    ("analog", "12 dB", 0.15),
    ("analog", "24 dB", 0.45),
    ("dirty", "12 dB", 0.4),
    ("dirty", "24 dB", 0.6),
    ("ladder", "12 dB", 0.45),
    ("ladder", "24 dB", 0.45),
    ("digital", "12 dB", 0.05),
    ("digital", "24 dB", 0.05),
    ("diode", "12 dB", 0.45),
    ("diode", "24 dB", 0.45),
)


@pytest.mark.parametrize(
    ("model", "style", "bound_db"),
    [
        pytest.param(*one, marks=() if one[:2] in (("digital", "12 dB"), ("diode", "24 dB")) else pytest.mark.slow)
        for one in LOUDER
    ],
)
def test_low_pass_gain_db_of_louder_input_errs_as_stated(play, harmonics_db, model, style, bound_db):
    cases = list(itertools.product((48.0, 70.0, 95.0), (0.0, 0.6)))
    variations = [
        {
            "osc_1_destination": 0.0,
            "filter_1_model": MODELS[model],
            "filter_1_style": STYLES[style],
            "filter_1_cutoff": cutoff,
            "filter_1_resonance": resonance,
        }
        for cutoff, resonance in cases
    ]
    audio = play([{"osc_1_destination": 3.0}, *variations], {"filter_1_on": 1.0, "osc_1_level": 0.35})
    frequency_hz, level_db = harmonics_db(audio[:, 0])
    for (cutoff, resonance), wet in zip(cases, level_db[1:], strict=True):
        law = filters.low_pass_gain_db(frequency_hz, note_hz(cutoff), resonance, 0.0, MODELS[model], STYLES[style])
        audible = wet > level_db[0].max() - AUDIBLE_DB
        error_db = np.abs(np.asarray(law) - (wet - level_db[0]))[audible]
        assert error_db.mean() < bound_db, (cutoff, resonance)


def test_cutoff_semitones_with_key_tracking_equals_the_engine(play, harmonics_db):
    """At note 45 (110 Hz). A positive key tracking closes the filter there, because the note is below 60."""
    keytracks = (-0.5, 0.5, 1.0)
    variations = [{"osc_1_destination": 0.0, "filter_1_keytrack": keytrack} for keytrack in keytracks]
    settings = {"filter_1_on": 1.0, "filter_1_model": float(DIGITAL), "filter_1_cutoff": 70.0}
    audio = play([{"osc_1_destination": 3.0}, *variations], settings, note=45)
    frequency_hz, level_db = harmonics_db(audio[:, 0], 110.0)
    for keytrack, wet in zip(keytracks, level_db[1:], strict=True):
        cutoff_hz = note_hz(filters.cutoff_semitones(70.0, keytrack, 45))
        law = np.asarray(filter_gain_db(frequency_hz, cutoff_hz, 0.5))
        assert np.abs(law - (wet - level_db[0]))[:20].mean() < 0.02


def test_filter_response_with_mix_is_a_linear_fade(play, harmonics_db):
    settings = {"filter_1_on": 1.0, "filter_1_model": 0.0, "filter_1_cutoff": 80.0}
    audio = play([{"osc_1_destination": 3.0}, {"osc_1_destination": 0.0, "filter_1_mix": 0.4}], settings)
    frequency_hz, level_db = harmonics_db(audio[:, 0])
    response = filters.filter_response(frequency_hz, note_hz(80.0), 0.5, model=0)
    law = 20 * np.log10(np.abs(0.6 + 0.4 * np.asarray(response)))
    assert np.abs(law - (level_db[1] - level_db[0])).mean() < 0.05


def test_note_hz_and_hz_note_are_inverses():
    assert float(note_hz(69.0)) == pytest.approx(440.0)
    np.testing.assert_allclose(filters.hz_note(note_hz(jnp.linspace(8, 136, 20))), np.linspace(8, 136, 20), rtol=1e-5)


def test_filter_response_rejects_an_unknown_model_or_style():
    with pytest.raises(ValueError, match="model is 6; it must be one of"):
        filters.filter_response(100.0, 1000.0, 0.5, model=6)
    with pytest.raises(ValueError, match="style is 5; it must be 0 to 4"):
        filters.filter_response(100.0, 1000.0, 0.5, style=5)


@EACH
def test_filter_gain_db_has_finite_gradients_at_the_edges(model, style):
    """Knobs at their ends, from the lowest to the highest frequencies, under jit and vmap."""
    frequency_hz = jnp.array([1.0, 55.0, 1000.0, 22000.0])

    @jax.jit
    @jax.vmap
    def gradients(knobs):
        return jax.jacobian(lambda k: filter_gain_db(frequency_hz, note_hz(k[0]), *k[1:], model, style))(knobs)

    edges = itertools.product((8.0, 136.0), (0.0, 1.0), (0.0, 20.0), (0.0, 1.0, 2.0))
    assert np.isfinite(gradients(jnp.array(list(edges)))).all()


@given(
    cutoff=st.floats(20, 120),
    model=st.sampled_from([0, 1, LADDER, DIGITAL, DIODE]),
    style=st.sampled_from([0, 1]),
)
@settings(deadline=None)  # jax compiles in the first call
def test_low_pass_gain_db_without_resonance_falls_with_frequency(cutoff, model, style):
    frequency_hz = np.geomspace(200, 20000, 40)  # the Diode's loop stops direct current
    gain_db = np.asarray(filters.low_pass_gain_db(frequency_hz, note_hz(cutoff), 0.0, 0.0, model, style))
    assert (np.diff(gain_db) < 0.15).all()
    assert gain_db.max() < 6


@given(cutoff=st.floats(30, 100), shift=st.floats(1, 24), resonance=st.floats(0, 0.8))
@settings(deadline=None)  # jax compiles in the first call
def test_low_pass_gain_db_far_above_the_cutoff_rises_with_it(cutoff, shift, resonance):
    gains = [float(filters.low_pass_gain_db(15000.0, note_hz(c), resonance)) for c in (cutoff, cutoff + shift)]
    assert gains[0] < gains[1]
