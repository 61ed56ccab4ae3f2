"""Rendering with the real engine: bit-exact repeats, settled notes, validation, and the live synth."""

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
    """The init patch, a little louder in one effect so that state could leak from note to note."""
    preset = copy.deepcopy(synth.init_preset())
    preset["synth_version"] = "1.5.5"
    preset["settings"] |= {"reverb_on": 1.0, "reverb_dry_wet": 0.6, "delay_on": 1.0}
    return preset


def test_render_has_two_channels_of_the_length_asked_for(preset):
    audio = render(preset, notes=(48, 60))
    assert audio.shape == (2, 2, SHORT.samples)
    assert audio.dtype == np.float32
    assert 0.01 < np.abs(audio).max() < 1


def test_render_repeats_bit_for_bit_whatever_was_rendered_before(preset):
    alone = render(preset, notes=(60,))[0]
    after_another = render(preset, notes=(48, 60))[1]
    np.testing.assert_array_equal(alone, after_another)


def test_seed_moves_the_random_phases_and_repeats(preset):
    first, second = render(preset, seed=0), render(preset, seed=3)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal(second, render(preset, seed=3))


def test_spawned_process_gives_the_same_bits(preset):
    spawned = call_isolated(synth.render_notes, preset, (48,), SHORT, 1, timeout_s=120, method="spawn")
    np.testing.assert_array_equal(spawned, render(preset, seed=1))


def test_a_settled_note_does_not_glide_from_the_init_patch(preset):
    """Level is one of the parameters that glide after a load. Phases fixed, the discarded note makes no difference."""
    settings = preset["settings"]
    settings |= {"osc_1_random_phase": 0.0, "osc_1_level": 0.3, "reverb_on": 0.0, "delay_on": 0.0}
    settled = render(preset)[0]
    longer = call_isolated(_render_after, preset, 2.0, timeout_s=60, method="forkserver")
    cold = call_isolated(_render_after, preset, 0.0, timeout_s=60, method="forkserver")
    np.testing.assert_array_equal(settled, longer)
    assert np.abs(settled - cold).max() > 0.01


def _render_after(preset, warmup_s: float) -> np.ndarray:
    """The engine by hand: load, play and drop `warmup_s` of the same note and a second of its end, play."""
    import json

    import vita

    synth = vita.Synth()
    assert synth.load_json(json.dumps(preset))
    if warmup_s:
        synth.render(48, SHORT.velocity, warmup_s, warmup_s + 1.0)
    return synth.render(48, SHORT.velocity, SHORT.note_s, SHORT.seconds)


@pytest.mark.parametrize("value", [math.nan, math.inf, 99999.0, "loud", None])
def test_a_value_no_knob_may_have_is_refused_by_name(preset, value):
    preset["settings"]["osc_1_level"] = value
    with pytest.raises(ValueError, match=r"osc_1_level is .*\[0\.0, 1\.0\]"):
        render(preset)


@pytest.mark.parametrize("kind", ["source", "destination"])
def test_an_unknown_route_name_is_refused(preset, kind):
    preset["settings"]["modulations"][2] = {"source": "lfo_1", "destination": "osc_1_level", kind: "lfo_99"}
    with pytest.raises(ValueError, match=rf"slot 3: {kind} 'lfo_99' does not exist"):
        render(preset)


def test_more_routes_than_slots_are_refused(preset):
    """The engine would crash."""
    preset["settings"]["modulations"] = [{"source": "", "destination": ""}] * 70
    with pytest.raises(ValueError, match="70 modulation slots"):
        render(preset)


def test_a_malformed_preset_is_refused(preset):
    preset["settings"]["wavetables"] = "x"
    with pytest.raises(ValueError, match="malformed"):
        render(preset)


@pytest.mark.parametrize("fields", [{"note_s": 0.0}, {"note_s": 3.0}, {"velocity": 0.0}, {"velocity": 1.5}])
def test_render_config_refuses_what_cannot_be_played(fields):
    with pytest.raises(ValueError, match=next(iter(fields))):
        RenderConfig(**fields)


def test_the_init_patch_does_not_depend_on_what_a_process_did_before():
    """Its noise is drawn anew by each Synth; presets written by two processes must not differ by it."""
    early = call_isolated(_init_preset_after, 0, timeout_s=60, method="forkserver")
    late = call_isolated(_init_preset_after, 2, timeout_s=60, method="forkserver")
    assert early == late
    samples = np.frombuffer(base64.b64decode(early["settings"]["sample"]["samples"]), "<i2")
    assert len(samples) == early["settings"]["sample"]["length"]
    assert samples.std() / 32768 == pytest.approx(0.9 / np.sqrt(3), rel=0.02)  # uniform, as the engine's own


def _init_preset_after(n_synths: int) -> dict:
    import vita

    for _ in range(n_synths):
        vita.Synth()
    return synth.init_preset()


def test_values_that_no_control_may_have_are_refused():
    synth.validate_values({"osc_1_level": 0.5, "modulation_1_amount": -1.0})
    with pytest.raises(ValueError, match="no control 'osc_9_level'"):
        synth.validate_values({"osc_9_level": 0.5})
    for value in (math.nan, -0.1, 1.1):
        with pytest.raises(ValueError, match="osc_1_level is"):
            synth.validate_values({"osc_1_level": value})
