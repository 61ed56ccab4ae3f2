"""Tests of rendering with the real engine: equal bits, settled notes and validation."""

import base64
import copy
import math

import numpy as np
import pytest

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import call_isolated

SHORT = RenderConfig(seconds=0.3, note_s=0.2)


def render(preset, notes=(48,), config=SHORT, seed=0):
    return call_isolated(synth.render_notes, preset, notes, config, seed, timeout_s=60, method=synth.start_method())


@pytest.fixture
def preset():
    """The init patch with reverb and delay, whose tails would carry state from note to note."""
    preset = copy.deepcopy(synth.init_preset())
    preset["synth_version"] = "1.5.5"
    preset["settings"] |= {"reverb_on": 1.0, "reverb_dry_wet": 0.6, "delay_on": 1.0}
    return preset


def test_render_notes_returns_two_channels_of_the_configured_length(preset):
    audio = render(preset, notes=(48, 60))
    assert audio.shape == (2, 2, SHORT.samples)
    assert audio.dtype == np.float32
    assert 0.01 < np.abs(audio).max() < 1


def test_render_notes_after_another_note_returns_the_same_bits(preset):
    alone = render(preset, notes=(60,))[0]
    after_another = render(preset, notes=(48, 60))[1]
    np.testing.assert_array_equal(alone, after_another)


def test_render_notes_with_another_seed_differs_and_repeats(preset):
    first, second = render(preset, seed=0), render(preset, seed=3)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(second, render(preset, seed=3))


def test_render_notes_in_a_spawned_process_returns_the_same_bits(preset):
    spawned = call_isolated(synth.render_notes, preset, (48,), SHORT, 1, timeout_s=120, method="spawn")
    np.testing.assert_array_equal(spawned, render(preset, seed=1))


def test_render_notes_after_settling_does_not_glide_from_the_init_patch(preset):
    """The level is a parameter that glides after a load. The phases are fixed, so that the renders can be equal."""
    settings = preset["settings"]
    settings |= {"osc_1_random_phase": 0.0, "osc_1_level": 0.3, "reverb_on": 0.0, "delay_on": 0.0}
    settled = render(preset)[0]
    longer = call_isolated(_render_after, preset, 2.0, timeout_s=60, method="forkserver")
    cold = call_isolated(_render_after, preset, 0.0, timeout_s=60, method="forkserver")
    np.testing.assert_array_equal(settled, longer)
    assert np.abs(settled - cold).max() > 0.01


def _render_after(preset, warmup_s: float) -> np.ndarray:
    """Loads the preset, discards a note of `warmup_s` and one second of its tail, and renders the note."""
    import json

    import vita

    synth = vita.Synth()
    assert synth.load_json(json.dumps(preset))
    if warmup_s:
        synth.render(48, SHORT.velocity, warmup_s, warmup_s + 1.0)
    return synth.render(48, SHORT.velocity, SHORT.note_s, SHORT.seconds)


@pytest.mark.parametrize("value", [math.nan, math.inf, 99999.0, "loud", None])
def test_render_notes_with_an_impossible_value_names_the_control(preset, value):
    preset["settings"]["osc_1_level"] = value
    with pytest.raises(ValueError, match=r"osc_1_level is .*\[0\.0, 1\.0\]"):
        render(preset)


@pytest.mark.parametrize("kind", ["source", "destination"])
def test_render_notes_with_an_unknown_route_name_is_an_error(preset, kind):
    preset["settings"]["modulations"][2] = {"source": "lfo_1", "destination": "osc_1_level", kind: "lfo_99"}
    with pytest.raises(ValueError, match=rf"slot 3: {kind} 'lfo_99' does not exist"):
        render(preset)


def test_render_notes_with_more_routes_than_slots_is_an_error(preset):
    """The engine would crash on them."""
    preset["settings"]["modulations"] = [{"source": "", "destination": ""}] * 70
    with pytest.raises(ValueError, match="70 modulation slots"):
        render(preset)


def test_render_notes_with_a_malformed_wavetable_is_an_error(preset):
    preset["settings"]["wavetables"] = "x"
    with pytest.raises(ValueError, match="malformed"):
        render(preset)


@pytest.mark.parametrize("fields", [{"note_s": 0.0}, {"note_s": 3.0}, {"velocity": 0.0}, {"velocity": 1.5}])
def test_render_config_with_an_impossible_value_is_an_error(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        RenderConfig(**fields)


def test_init_preset_after_other_synths_is_unchanged():
    """Each Synth draws new noise. Presets that two processes write must not differ by it."""
    early = call_isolated(_init_preset_after, 0, timeout_s=60, method="forkserver")
    late = call_isolated(_init_preset_after, 2, timeout_s=60, method="forkserver")
    assert early == late
    samples = np.frombuffer(base64.b64decode(early["settings"]["sample"]["samples"]), "<i2")
    assert len(samples) == early["settings"]["sample"]["length"]
    assert samples.std() / 32768 == pytest.approx(0.9 / np.sqrt(3), rel=0.02)  # uniform, as the noise of the engine


def _init_preset_after(n_synths: int) -> dict:
    import vita

    for _ in range(n_synths):
        vita.Synth()
    return synth.init_preset()


def test_validate_values_with_an_impossible_value_is_an_error():
    synth.validate_values({"osc_1_level": 0.5, "modulation_1_amount": -1.0})
    with pytest.raises(ValueError, match="no control 'osc_9_level'"):
        synth.validate_values({"osc_9_level": 0.5})
    for value in (math.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match="osc_1_level is"):
            synth.validate_values({"osc_1_level": value})
