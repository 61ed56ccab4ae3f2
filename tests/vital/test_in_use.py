"""Tests of vjax.vital.in_use against the engine: what is not in use changes no bit of a render."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from vjax.engine.config import RenderConfig
from vjax.engine.live import LivePreset
from vjax.engine.pool import RenderJob, RenderPool
from vjax.sound.encoding import EFFECTS
from vjax.vital.in_use import controls_in_use, effects_in_order, modulator, moved_controls, without_idle_modules
from vjax.vital.preset import Preset, Route, controls, init, read_preset
from vjax.vital.values import value_of, with_routes, with_values

PRESETS = sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))
CONFIG = RenderConfig(seconds=0.4, note_s=0.3)
EFFECTS_OF_PLAYER, FILTER_1, FILTER_2, BOTH = 3, 0, 1, 2  # options of `osc_N_destination`
FM_FIRST, FM_SECOND, FM_SAMPLE = 7, 8, 9  # options of `osc_N_distortion_type`


def renders(*presets: Preset) -> list[np.ndarray]:
    with RenderPool(CONFIG, workers=2) as pool:
        return [one.audio for one in pool.map(RenderJob(preset.to_json(), (48,)) for preset in presets)]


def _many_idle() -> Preset:
    """Modules that are on without a difference, and controls that their values make irrelevant."""
    values = {f"{effect}_on": 1 for effect in EFFECTS if effect != "compressor"}
    values |= {f"{effect}_dry_wet": 0 for effect in ("chorus", "delay", "flanger", "phaser", "reverb")}
    values |= {"distortion_mix": 0, "distortion_drive": 20, "filter_fx_mix": 0, "eq_low_cutoff": 60}
    values |= {"osc_2_on": 1, "osc_2_level": 0, "osc_3_on": 1, "osc_3_level": 0, "sample_on": 1, "sample_level": 0}
    values |= {"osc_1_distortion_type": FM_SECOND, "osc_1_distortion_phase": 0.3, "osc_1_destination": BOTH}
    values |= {"filter_1_on": 1, "filter_1_mix": 0, "env_1_attack": 0, "env_1_attack_power": 4, "mod_wheel": 0.4}
    return with_values(init(), values)


def test_without_idle_modules_switches_them_off_and_renders_the_same_bits():
    preset = _many_idle()
    reduced = without_idle_modules(preset)
    on = [name for name in controls().categorical_names if name.endswith("_on") and value_of(reduced, name)]
    assert on == ["osc_1_on", "osc_3_on"]  # oscillator 3 modulates oscillator 1
    assert value_of(reduced, "osc_1_destination") == FILTER_1  # as in the init patch: filter 1 is off
    same, also = renders(preset, reduced)
    np.testing.assert_array_equal(same, also)
    without_fm, _ = renders(with_values(reduced, {"osc_3_on": 0}), reduced)
    assert not np.array_equal(without_fm, same)


@pytest.mark.parametrize(
    ("values", "route", "kept"),
    [
        ({"compressor_on": 1, "compressor_mix": 0}, None, "compressor_on"),  # it still splits the sound into bands
        ({"reverb_on": 1, "reverb_dry_wet": 0}, ("macro_control_1", "reverb_dry_wet"), "reverb_on"),
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                ({"osc_2_on": 1, "osc_2_level": 0}, ("lfo_1", "osc_2_level"), "osc_2_on"),
                ({"eq_on": 1}, ("lfo_1", "eq_low_gain"), "eq_on"),
                ({"eq_on": 1, "eq_low_mode": 1}, None, "eq_on"),
                (
                    {"filter_1_on": 1, "filter_1_mix": 0, "filter_2_on": 1, "filter_2_filter_input": 1},
                    None,
                    "filter_1_on",
                ),
            )
        ),
    ],
)
def test_without_idle_modules_keeps_what_makes_a_difference(values: dict, route: tuple | None, kept: str):
    preset = with_values(init(), values)
    preset = with_routes(preset, Route(*route, 0.5)) if route else preset
    reduced = without_idle_modules(preset)
    assert value_of(reduced, kept) == 1
    played = with_values(preset, {"macro_control_1": 1})
    same, also, without = renders(played, with_values(reduced, {"macro_control_1": 1}), with_values(played, {kept: 0}))
    np.testing.assert_array_equal(same, also)
    assert not np.array_equal(same, without)


@pytest.mark.parametrize(
    "destination",
    [FILTER_1, FILTER_2, *(pytest.param(one, marks=pytest.mark.slow) for one in (BOTH, EFFECTS_OF_PLAYER))],
)
def test_without_idle_modules_of_an_oscillator_through_filters_that_are_off_sets_the_default(destination: int):
    preset = with_values(init(), {"osc_1_destination": destination})
    assert value_of(without_idle_modules(preset), "osc_1_destination") == FILTER_1
    on = with_values(preset, {"filter_1_on": 1, "sample_on": 1, "sample_destination": FILTER_1})
    straight = destination in (FILTER_2, EFFECTS_OF_PLAYER)
    found = without_idle_modules(on)
    assert value_of(found, "osc_1_destination") == (EFFECTS_OF_PLAYER if straight else destination)
    np.testing.assert_array_equal(*renders(on, found))


@pytest.mark.parametrize(
    "path",
    [PRESETS[0], *(pytest.param(path, marks=pytest.mark.slow) for path in PRESETS[1:]), None],
    ids=lambda path: path.stem if path else "many idle",
)
def test_controls_in_use_changing_all_others_changes_no_bit(path: Path | None):
    preset = without_idle_modules(read_preset(path) if path else _many_idle())
    used, schema, rng = controls_in_use(preset), controls(), np.random.default_rng(0)
    values = {knob.name: knob.to_native(rng.uniform()) for knob in schema.continuous if knob.name not in used}
    values |= {
        menu.name: float(menu.minimum + rng.integers(menu.n_options))
        for menu in schema.categorical
        if menu.name not in used
    }
    assert len(values) > 150
    with LivePreset(preset.to_json(), 48, CONFIG) as live:
        as_it_is, turned = live.render({}).audio, live.render(values).audio
    np.testing.assert_array_equal(turned, as_it_is)


@pytest.mark.parametrize(
    ("control", "values", "enabling"),
    [
        ("env_1_decay", {}, {"env_1_sustain": 0.5}),
        ("env_1_attack_power", {"env_1_attack": 0}, {"env_1_attack": 0.5}),
        ("beats_per_minute", {}, {"delay_on": 1}),
        ("eq_low_cutoff", {"eq_on": 1, "eq_high_gain": 3}, {"eq_low_gain": 3}),
        ("portamento_slope", {}, {"portamento_time": 0}),
        ("filter_2_filter_input", {"filter_2_on": 1, "sample_on": 1, "sample_destination": 1}, {"filter_1_on": 1}),
    ],
)
def test_controls_in_use_depends_on_other_values(control: str, values: dict, enabling: dict):
    preset = with_values(init(), values)
    assert control not in controls_in_use(preset)
    assert control in controls_in_use(with_values(preset, enabling))


def test_controls_in_use_counts_the_mod_wheel_and_a_moved_sustain():
    preset = with_routes(init(), Route("mod_wheel", "env_1_sustain", -0.5))
    assert {"mod_wheel", "env_1_decay"} <= controls_in_use(preset)
    assert {"mod_wheel", "env_1_decay"}.isdisjoint(controls_in_use(init()))
    assert moved_controls(preset) == {"env_1_sustain"}


def test_controls_in_use_leaves_out_the_frame_of_a_constant_table():
    frame = "osc_1_wave_frame"
    assert frame not in controls_in_use(init())
    table = read_preset(next(path for path in PRESETS if "Drifting" in path.name)).wavetables[0]
    moving = dataclasses.replace(init(), wavetables=(table, *init().wavetables[1:]))
    assert frame in controls_in_use(moving)


@pytest.mark.parametrize(
    ("number", "distortion_type", "source"),
    [
        *[(1, FM_FIRST, "osc_2"), (2, FM_SECOND, "osc_3"), (3, FM_SAMPLE, "sample")],
        *(
            pytest.param(*case, marks=pytest.mark.slow)
            for case in (
                (1, FM_SECOND, "osc_3"),
                (2, FM_FIRST, "osc_1"),
                (3, FM_FIRST, "osc_1"),
                (3, FM_SECOND, "osc_2"),
            )
        ),
    ],
)
def test_modulator_is_the_one_that_the_engine_uses(number: int, distortion_type: int, source: str):
    assert modulator(number, distortion_type) == source
    values = {f"osc_{i}_on": int(i == number) for i in (1, 2, 3)} | {f"osc_{i}_random_phase": 0 for i in (1, 2, 3)}
    values |= {f"osc_{number}_distortion_type": distortion_type, f"osc_{number}_distortion_amount": 0.5}
    values |= {f"{other}_level": 0 for other in ("osc_1", "osc_2", "osc_3", "sample") if other != f"osc_{number}"}
    preset = with_values(init(), values)
    others = [name for name in ("osc_1", "osc_2", "osc_3", "sample") if name != f"osc_{number}"]
    alone, *with_other = renders(preset, *(with_values(preset, {f"{name}_on": 1}) for name in others))
    changed = [name for name, audio in zip(others, with_other, strict=True) if not np.array_equal(audio, alone)]
    assert changed == [source]


def test_modulator_of_another_type_is_none():
    assert modulator(1, 0) is None
    assert modulator(1, 6) is None


def test_effects_in_order_follows_the_chain():
    preset = with_values(init(), {"reverb_on": 1, "chorus_on": 1, "delay_on": 1})
    assert effects_in_order(preset) == ["chorus", "delay", "reverb"]
    assert effects_in_order(with_values(preset, {"effect_chain_order": 362879})) == ["reverb", "delay", "chorus"]
