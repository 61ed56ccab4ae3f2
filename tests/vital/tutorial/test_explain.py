"""Tests of vjax.vital.tutorial.explain: who follows the steps gets the sound of the preset."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, controls, init, read_preset
from vjax.vital.preset_json import read_json
from vjax.vital.tutorial.explain import explain
from vjax.vital.tutorial.follow import follow
from vjax.vital.tutorial.render import text_of
from vjax.vital.tutorial.steps import Step
from vjax.vital.values import value_of, with_routes, with_values

DATA = Path(__file__).parents[2] / "data"
PRESETS = sorted((DATA / "presets").glob("*.vital"))


def _many_things() -> Preset:
    """A preset that uses what musicians' presets seldom use: chains of routes, curves, snaps, other modes."""
    values = {"osc_1_transpose_quantize": 0b1000010010001, "osc_1_transpose": 7, "osc_2_on": 1, "osc_2_pan": -0.4}
    values |= {"osc_2_unison_voices": 4, "osc_2_detune_range": 12, "osc_2_stack_style": 3, "osc_2_midi_track": 0}
    values |= {"osc_2_level": 0, "osc_1_distortion_type": 10, "osc_2_distortion_type": 3, "osc_2_distortion_phase": 0.2}
    values |= {"osc_3_on": 1, "osc_3_destination": 13, "osc_3_spectral_morph_type": 7, "filter_1_on": 1}
    values |= {"filter_1_model": 6, "filter_1_style": 4, "filter_1_keytrack": 1, "filter_1_cutoff": 40}
    values |= {"filter_2_on": 1, "filter_2_filter_input": 1, "filter_2_style": 1, "filter_2_blend": 2}
    values |= {"lfo_1_sync_type": 3, "lfo_1_sync": 4, "lfo_1_keytrack_transpose": -36, "lfo_1_smooth_mode": 0}
    values |= {"random_1_sync": 2, "random_1_style": 1, "random_1_stereo": 1, "env_2_delay": 0.4, "env_2_hold": 0.5}
    values |= {"delay_on": 1, "delay_style": 2, "delay_aux_sync": 0, "eq_on": 1, "eq_low_mode": 1, "reverb_on": 1}
    values |= {"effect_chain_order": 362879, "velocity_track": 0.5, "stereo_mode": 1, "voice_transpose": -12}
    values |= {"macro_control_1": 0.7, "volume": 4000, "beats_per_minute": 1.5, "filter_1_mix": 0.8}
    curve = {**shape_json("Linear", [(0, 1), (0.3, 0.2), (1, 0)]), "powers": [0.0, 2.0, 0.0]}
    routes = [
        Route("lfo_1", "filter_2_cutoff", -0.2, bipolar=True),
        Route("random_1", "osc_1_wave_frame", 0.5, stereo=True),
        Route("env_2", "osc_3_level", 0.4, power=-3.0, curve=curve),
        Route("velocity", "modulation_3_amount", -0.1),
        Route("macro_control_1", "modulation_1_power", 0.2),
        Route("env_1", "reverb_decay_time", 0.1),
        Route("lfo_2", "lfo_1_keytrack_tune", 0.3),
        Route("env_3", "osc_2_tune", 0.0),  # it changes nothing
    ]
    preset = with_routes(with_values(init(), values), *routes)
    return dataclasses.replace(preset, macro_names=("Growl\n*x*", *preset.macro_names[1:]), name="Many")


def _drawn(seed: int) -> Preset:
    """A preset with random values for all controls that are part of a sound, and 20 random routes."""
    rng, schema = np.random.default_rng(seed), controls()
    values = {knob.name: knob.to_native(rng.uniform()) for knob in schema.continuous if not knob.frozen}
    values |= {menu.name: int(rng.integers(menu.n_options)) for menu in schema.categorical if not menu.frozen}
    values |= {"volume": value_of(init(), "volume"), "voice_amplitude": 1, "env_1_delay": 0}
    # Each route of a random source that is left out moves the source's random numbers on.
    sources = [source for source in schema.sources if not source.startswith("random")]
    routes = [
        Route(
            str(rng.choice(sources)),
            str(rng.choice(schema.destinations)),
            amount=rng.uniform(-1, 1),
            bipolar=bool(rng.integers(2)),
            power=float(rng.choice([0, -4, 6])),
            stereo=bool(rng.integers(2)),
        )
        for _ in range(20)
    ]
    return with_routes(with_values(init(), values), *routes)


EXAMPLES = [*PRESETS, "many things", 2, 6, 11]  # these drawn presets are not silent


def _example(example: Path | str | int) -> Preset:
    if isinstance(example, Path):
        return read_preset(example)
    return _drawn(example) if isinstance(example, int) else _many_things()


def _id(example: Path | str | int) -> str:
    return example.stem if isinstance(example, Path) else str(example)


@pytest.mark.parametrize(
    "example",
    [pytest.param(one, marks=() if one in (PRESETS[0], "many things", 2) else pytest.mark.slow) for one in EXAMPLES],
    ids=_id,
)
def test_explain_following_the_steps_renders_the_same_bits(example: Path | str | int):
    preset = _example(example)
    file = read_json(example) if isinstance(example, Path) else preset.to_json()
    tutorial = explain(preset)
    jobs = [RenderJob(made, (48,)) for made in (preset.to_json(), follow(tutorial, file), synth.init_preset())]
    without_last = dataclasses.replace(tutorial, steps=tutorial.steps[:1])
    jobs.append(RenderJob(follow(without_last, file), (48,)))
    with RenderPool(RenderConfig(seconds=1.5, note_s=1.0), workers=2) as pool:
        own, followed, nothing, start = (one.audio for one in pool.map(jobs))
    assert np.abs(own).max() > 0.001
    np.testing.assert_array_equal(followed, own)
    np.testing.assert_array_equal(start, nothing)  # the first step changes nothing
    assert not np.array_equal(own, nothing)


@pytest.mark.parametrize("example", EXAMPLES, ids=_id)
def test_explain_states_each_fact_once_and_in_a_sentence(example: Path | str | int):
    tutorial = explain(_example(example))
    controls = [fact.control for step in tutorial.steps for fact in step.facts]
    assert len(controls) == len(set(controls)) > 5
    for step in tutorial.steps:
        texts = [part.text for part in (*step.facts, *step.connections, *step.parts)]
        assert all(any(text in sentence for sentence in step.sentences) for text in texts)
        assert all(sentence.endswith(".") and "None" not in sentence for sentence in step.sentences)
        assert step.title
        assert step.sentences


def test_explain_of_the_init_preset_has_nothing_to_set():
    tutorial = explain(init())
    assert [step.title for step in tutorial.steps] == ["Start", "Oscillator 1"]
    assert tutorial.steps[1].sentences == ("Keep the wavetable of the init preset, a saw.",)
    assert not any(step.facts or step.connections or step.parts for step in tutorial.steps)


def test_explain_writes_the_golden_text():
    found = text_of(explain(read_preset(DATA / "presets" / "Drifting_Pad_1108Redux.vital")))
    assert found == (DATA / "tutorials" / "Drifting_Pad_1108Redux.txt").read_text()


def _step(preset: Preset, title: str) -> Step:
    return next(step for step in explain(preset).steps if step.title == title)


def test_explain_orders_the_steps_as_a_musician_works():
    titles = [step.title for step in explain(_many_things()).steps]
    assert titles == [
        *("Start", "Oscillator 1", "Oscillator 2", "Oscillator 3", "Filter 1", "Filter 2"),
        *("Envelope 1 (loudness)", "Envelope 2", "LFO 1", "LFO 2", "Random LFO 1", "Velocity"),
        *("Reverb", "EQ", "Delay", "Order of the effects", "Macro 1: Growl *x*", "Amounts of routes"),
        *("Voice", "Tempo", "Volume"),
    ]


def test_explain_leaves_out_what_makes_no_difference():
    idle = {"reverb_on": 1, "reverb_dry_wet": 0, "reverb_size": 1, "osc_2_on": 1, "osc_2_level": 0, "filter_2_on": 1}
    preset = with_routes(with_values(init(), {**idle, "lfo_4_tempo": 3}), Route("lfo_4", "osc_2_pan", 0.5))
    assert explain(preset).steps == explain(init()).steps


def test_explain_says_what_a_silent_oscillator_modulates():
    preset = with_values(init(), {"osc_2_on": 1, "osc_2_level": 0, "osc_1_distortion_type": 7})
    assert "Set the wave morph to FM from Oscillator 2." in _step(preset, "Oscillator 1").sentences
    assert _step(preset, "Oscillator 2").sentences[-1] == "It is silent itself: it modulates Oscillator 1."


def test_explain_switches_off_the_oscillator_of_the_init_preset():
    preset = with_values(init(), {"osc_1_on": 0, "sample_on": 1})
    step = _step(preset, "Oscillator 1")
    assert step.sentences == ("Switch Oscillator 1 off. The preset does not use it.",)
    assert [(fact.control, fact.native, fact.text) for fact in step.facts] == [("osc_1_on", 0.0, "off")]
    assert _step(preset, "Sample").sentences == ("Switch Sample on.", "Keep its white noise.")


def test_explain_keeps_the_notes_of_the_preset():
    raw = init().to_json()
    raw["settings"]["volume"] = 1e9
    assert explain(Preset.from_json(raw)).notes == ("volume 1000000000.0 clipped to [0, 7399.44]",)
