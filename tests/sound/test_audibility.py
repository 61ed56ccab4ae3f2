"""Tests of vjax.sound.audibility: inaudible controls change no bit, NumPy equals JAX, and any schema works."""

import dataclasses
import functools
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.engine.schema import engine_schema
from vjax.sound.audibility import PARTS, Audible, audible, can_vary
from vjax.sound.encoding import TargetEncoding
from vjax.sound.routes import CHANNELS, N_SLOTS, dense_routes
from vjax.sound.rules import audibility_rules, shaped_source
from vjax.sound.schema import Categorical, Continuous, Parameters, Schema

PRESETS = sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))
VITAL = engine_schema(n_wavetables=3, n_lfo_shapes=2)
SWITCHES = tuple(name for name in VITAL.categorical_names if name.endswith("_on"))
seeds = st.integers(0, 2**32 - 1)


def sound(schema=VITAL, routes=(), **values):
    """The init patch with native values of knobs, options of menus, and (source, destination, amount) by slot."""
    parameters = schema.default_parameters()
    for name, value in values.items():
        at = schema.position[name]
        if name in schema.continuous_names:
            parameters.continuous[at] = schema.continuous[at].to_norm(value)
        else:
            parameters.categorical[at] = value
    for slot, (source, destination, amount) in enumerate(routes):
        cell = schema.sources.index(source) * len(schema.destinations) + schema.destinations.index(destination)
        parameters.route_index[slot], parameters.route_value[slot, 0] = cell, amount
    return parameters


def audible_in(parameters, schema=VITAL, parts=PARTS) -> tuple[set[str], set[int]]:
    """(names of controls, slots) that are audible."""
    rules = audibility_rules(schema)
    found = audible(rules, parameters.continuous, parameters.categorical, parameters[2:], parts)
    return names_of(found, schema), set(np.flatnonzero(found.routes).tolist())


def names_of(found: Audible, schema=VITAL) -> set[str]:
    flags = np.concatenate([found.continuous, found.categorical])
    names = schema.continuous_names + schema.categorical_names
    return {name for name, flag in zip(names, flags, strict=True) if flag}


# Against the engine


def inaudible_values(preset, rng):
    """A random value for each inaudible control and route amount: native, by name."""
    from vjax.vital.audible import audible_of
    from vjax.vital.preset import controls

    schema, found, values = controls(), audible_of(preset), {}
    for knob, is_audible in zip(schema.continuous, found.continuous, strict=True):
        if not is_audible and not knob.frozen:
            values[knob.name] = knob.to_native(rng.uniform())
    for menu, is_audible in zip(schema.categorical, found.categorical, strict=True):
        if not is_audible and not menu.frozen:
            values[menu.name] = float(menu.minimum + rng.integers(menu.n_options))
    for slot, route in enumerate(preset.routes):
        if route is not None and not found.routes[slot]:
            values[f"modulation_{slot + 1}_amount"] = rng.uniform(-1, 1)
    return values


@pytest.mark.parametrize(
    "path",
    [None, PRESETS[0], *(pytest.param(path, marks=pytest.mark.slow) for path in PRESETS[1:])],
    ids=lambda path: path.stem if path else "modes",
)
def test_audible_of_preset_changing_all_inaudible_controls_changes_no_bit(path):
    """Knobs, menus and amounts of routes at once; of musicians' presets, and of one that uses many modes."""
    from vjax.engine.config import RenderConfig
    from vjax.engine.live import LivePreset
    from vjax.vital.preset import read_preset

    preset = read_preset(path) if path else _many_modes()
    values = inaudible_values(preset, np.random.default_rng(0))
    assert len(values) > 150
    assert {"osc_2_on", "reverb_on"}.isdisjoint(values)
    with LivePreset(preset.to_json(), 48, RenderConfig(seconds=0.4, note_s=0.3)) as live:
        as_it_is = live.render({}).audio
        turned = live.render(values).audio
        transposed = live.render({f"osc_{i}_transpose": 7.0 for i in (1, 2, 3)}).audio
    np.testing.assert_array_equal(turned, as_it_is)
    assert not np.array_equal(transposed, as_it_is)


def _many_modes():
    """Everything on, with options that make as much as possible irrelevant, and inaudible routes among the audible."""
    from vjax.vital import preset as vital_preset

    menus = {name: 1 for name in SWITCHES} | {"filter_1_model": 5, "filter_2_model": 6, "filter_fx_model": 7}
    menus |= {"osc_3_on": 0, "compressor_enabled_bands": 1, "eq_low_mode": 1, "eq_band_mode": 1, "eq_high_mode": 1}
    menus |= {"osc_1_destination": 0, "osc_2_destination": 0, "sample_destination": 3, "lfo_2_sync": 4}
    menus |= {"delay_style": 0, "delay_sync": 0, "chorus_sync": 2, "lfo_1_smooth_mode": 0, "random_1_sync": 0}
    routes = [
        ("lfo_1", "osc_1_level", -0.7),
        ("lfo_2", "modulation_1_amount", 0.4),
        ("lfo_3", "osc_3_level", 0.5),  # which is off
        ("lfo_4", "lfo_5_phase", 0.5),  # which has no route
        ("random_1", "filter_1_cutoff", 0.5),  # which a formant filter has not
        ("env_2", "modulation_3_amount", 0.5),  # that of an inaudible route
        ("macro_control_1", "env_3_attack", 0.5),
        ("env_3", "osc_2_tune", 0.0),  # carries nothing ...
        ("env_4", "osc_2_pan", 0.0),  # ... unless its amount is moved
        ("macro_control_2", "modulation_9_amount", 0.5),
    ]
    init = vital_preset.init()
    categorical, continuous, schema = init.categorical.copy(), init.continuous.copy(), vital_preset.controls()
    for name, option in menus.items():
        categorical[schema.position[name]] = option
    continuous[schema.position["macro_control_2"]] = 0.6
    slots = tuple(vital_preset.Route(*route) for route in routes)
    return dataclasses.replace(
        init, categorical=categorical, continuous=continuous, routes=slots + (None,) * (N_SLOTS - len(slots))
    )


def test_audible_of_many_modes_follows_each_route():
    from vjax.vital.audible import audible_of
    from vjax.vital.preset import controls

    found = audible_of(_many_modes())
    names = names_of(found, controls())
    assert np.flatnonzero(found.routes).tolist() == [0, 1, 7, 8, 9]
    assert {"lfo_1_phase", "lfo_2_phase", "env_4_attack", "macro_control_2"} <= names
    assert names.isdisjoint({"lfo_3_phase", "lfo_4_phase", "lfo_5_phase", "random_1_frequency", "env_2_attack"})
    assert names.isdisjoint({"env_3_attack", "macro_control_1", "filter_1_cutoff", "filter_2_cutoff", "delay_tempo"})


# Modules


@pytest.mark.parametrize(
    ("name", "switch"),
    [
        ("osc_1_level", "osc_1_on"),
        ("osc_3_wave_frame", "osc_3_on"),
        ("filter_fx_cutoff", "filter_fx_on"),
        ("filter_1_cutoff", "filter_1_on"),
        ("reverb_dry_wet", "reverb_on"),
        ("sample_level", "sample_on"),
        ("filter_fx_model", "filter_fx_on"),
        ("osc_2_wavetable", "osc_2_on"),
        ("delay_tempo", "delay_on"),
    ],
)
def test_audible_module_off_makes_its_controls_inaudible(name, switch):
    others = dict.fromkeys(SWITCHES, 1)
    assert name in audible_in(sound(**others), parts=("modules",))[0]
    assert name not in audible_in(sound(**{**others, switch: 0}), parts=("modules",))[0]


def test_audible_all_modules_off_keeps_switches_and_global_controls():
    names = audible_in(sound(**dict.fromkeys(SWITCHES, 0)), parts=("modules",))[0]
    assert set(SWITCHES) <= names
    assert {"env_1_attack", "lfo_1_frequency", "lfo_1_sync", "lfo_1_shape", "volume", "macro_control_1"} <= names
    assert "osc_1_level" not in names


# Sources


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("lfo_3_frequency", "lfo_3"),
        ("lfo_3_shape", "lfo_3"),
        ("env_4_attack", "env_4"),
        ("env_1_attack", None),  # always plays
        ("macro_control_2", "macro_control_2"),
        ("random_1_sync", "random_1"),
        ("osc_1_level", None),
        ("volume", None),
    ],
)
def test_shaped_source_of_control_is_the_source_it_needs(name, source):
    assert shaped_source(name, VITAL) == source
    at = audibility_rules(VITAL).source[(VITAL.continuous_names + VITAL.categorical_names).index(name)]
    assert (VITAL.sources[at] if at >= 0 else None) == source


def test_audible_source_needs_an_audible_destination():
    assert "lfo_1_phase" not in audible_in(sound())[0]
    assert "lfo_1_phase" in audible_in(sound(routes=[("lfo_1", "osc_1_level", 0.5)]))[0]
    assert "lfo_1_phase" not in audible_in(sound(routes=[("lfo_1", "osc_2_level", 0.5)]))[0]  # which is off
    assert "lfo_1_phase" not in audible_in(sound(routes=[("lfo_1", "osc_1_level", 0.0)]))[0]  # carries nothing
    names, slots = audible_in(sound(routes=[("lfo_2", "lfo_1_phase", 0.5), ("lfo_1", "osc_1_level", 0.5)]))
    assert {"lfo_1_shape", "lfo_2_shape"} <= names
    assert slots == {0, 1}


def test_audible_chains_are_followed_through_all_slots():
    """Macro 1 to LFO 8 to LFO 7 ... to LFO 1 to a level: all are audible, and none if the end is off."""
    links = [("macro_control_1", "lfo_8_phase", 0.5)]
    links += [(f"lfo_{i + 1}", f"lfo_{i}_phase", 0.5) for i in range(1, 8)] + [("lfo_1", "osc_1_level", 0.5)]
    names, slots = audible_in(sound(routes=links))
    assert {"macro_control_1", *(f"lfo_{i}_phase" for i in range(1, 9))} <= names
    assert slots == set(range(9))
    names, slots = audible_in(sound(routes=links, osc_1_on=0))
    assert not slots
    assert not any(name.startswith(("lfo_", "macro_")) for name in names)
    # Each slot's amount is moved by the next slot's route: 63 links.
    links = [("lfo_1", "osc_1_level", 0.5)] + [("env_2", f"modulation_{i}_amount", 0.5) for i in range(1, N_SLOTS)]
    assert audible_in(sound(routes=links))[1] == set(range(N_SLOTS))
    assert audible_in(sound(routes=links, osc_1_on=0))[1] == set()


def test_audible_ring_of_sources_without_another_destination_is_inaudible():
    ring = [("lfo_1", "lfo_2_phase", 0.5), ("lfo_2", "lfo_1_phase", 0.5), ("env_2", "modulation_4_amount", 0.5)]
    ring += [("env_2", "modulation_3_amount", 0.5)]
    assert audible_in(sound(routes=ring))[1] == set()
    assert audible_in(sound(routes=[*ring, ("lfo_2", "volume", 0.1)]))[1] == {0, 1, 4}


def test_audible_amount_0_moved_by_another_route_carries_its_source():
    routes = [("lfo_1", "osc_1_level", 0.0), ("macro_control_1", "modulation_1_amount", 0.3)]
    assert {"lfo_1_phase", "macro_control_1"} <= audible_in(sound(routes=routes))[0]


def test_audible_without_routes_keeps_all_sources():
    one, rules = sound(), audibility_rules(VITAL)
    found = audible(rules, one.continuous, one.categorical)
    assert found.routes is None
    assert {"lfo_1_phase", "macro_control_1", "osc_1_unison_detune"} <= names_of(found)
    assert "osc_2_level" not in names_of(found)


# Modes


@pytest.mark.parametrize(
    ("name", "menu", "options"),
    [
        ("lfo_1_frequency", "lfo_1_sync", {0}),
        ("lfo_1_tempo", "lfo_1_sync", {1, 2, 3}),
        ("lfo_1_keytrack_tune", "lfo_1_sync", {4}),
        ("lfo_1_smooth_time", "lfo_1_smooth_mode", {1}),
        ("lfo_1_fade_time", "lfo_1_smooth_mode", {0}),
        ("chorus_frequency", "chorus_sync", {0}),
        ("delay_aux_tempo", "delay_style", {1, 2, 3}),
        ("filter_1_formant_x", "filter_1_model", {5}),
        ("filter_1_cutoff", "filter_1_model", {0, 1, 2, 3, 4, 6, 7}),
        ("filter_fx_blend_transpose", "filter_fx_model", {6}),
        ("osc_1_spectral_morph_amount", "osc_1_spectral_morph_type", set(range(1, 12))),
        ("osc_1_distortion_phase", "osc_1_distortion_type", set(range(1, 13))),
        ("distortion_filter_cutoff", "distortion_filter_order", {1, 2}),
        ("compressor_high_gain", "compressor_enabled_bands", {0, 2}),
        ("eq_low_gain", "eq_low_mode", {0}),
    ],
)
def test_audible_mode_decides_which_control_is_audible(name, menu, options):
    all_on = dict.fromkeys(SWITCHES, 1)
    for option in range(VITAL.categorical[VITAL.position[menu]].n_options):
        parameters = sound(routes=[("lfo_1", "osc_1_level", 0.5)], **all_on, **{menu: option})
        assert (name in audible_in(parameters)[0]) == (option in options), option


def test_audible_unison_knobs_need_a_second_voice_or_a_route_to_their_count():
    assert "osc_1_unison_detune" not in audible_in(sound())[0]
    assert "osc_1_unison_detune" in audible_in(sound(osc_1_unison_voices=2))[0]
    assert "osc_1_unison_detune" in audible_in(sound(routes=[("env_2", "osc_1_unison_voices", 0.2)]))[0]
    assert "osc_1_stereo_spread" in audible_in(sound())[0]


def test_audible_morph_amount_needs_a_type_or_a_route_that_moves_it():
    """Without a type, a moving amount renews the wave's buffer more often: the engine's bits show it."""
    names = ("osc_1_spectral_morph_amount", "lfo_1_phase")
    assert not audible_in(sound())[0] & {*names}
    moved = [("lfo_1", "osc_1_spectral_morph_amount", 0.5)]
    assert audible_in(sound(routes=moved))[0] >= {*names}
    assert "lfo_1_phase" not in audible_in(sound(routes=[("lfo_1", "osc_1_distortion_amount", 0.5)]))[0]
    assert "osc_1_spectral_morph_spread" in audible_in(sound())[0]


def test_audible_effect_order_needs_two_effects():
    encoded = TargetEncoding(VITAL).schema
    for on, is_audible in (({}, False), ({"reverb_on": 1}, False), ({"reverb_on": 1, "delay_on": 1}, True)):
        assert ("effect_chain_order" in audible_in(sound(**on))[0]) == is_audible
        assert ("reverb_order" in audible_in(sound(encoded, **on), encoded)[0]) == is_audible
    assert "chorus_order" not in audible_in(sound(encoded, reverb_on=1, delay_on=1), encoded)[0]


# Feeding


def test_audible_unfed_filter_is_inaudible_except_its_switch_and_input():
    names = audible_in(sound(filter_1_on=1, filter_2_on=1))[0]
    assert {"filter_1_cutoff", "filter_1_model", "filter_2_on", "filter_2_filter_input"} <= names
    assert names.isdisjoint({"filter_2_cutoff", "filter_2_model"})
    assert "filter_2_cutoff" in audible_in(sound(filter_2_on=1, osc_1_destination=2))[0]
    assert "filter_2_cutoff" in audible_in(sound(filter_1_on=1, filter_2_on=1, filter_2_filter_input=1))[0]
    assert "filter_2_cutoff" not in audible_in(sound(filter_2_on=1, filter_2_filter_input=1))[0]
    assert "filter_2_cutoff" in audible_in(sound(filter_2_on=1, sample_on=1, sample_destination=1))[0]
    assert "filter_1_cutoff" not in audible_in(sound(filter_1_on=1, osc_1_destination=3))[0]


# Any schema, any arrays


def random_sounds(schema, seed, n=5):
    rng = np.random.default_rng(seed)
    index = np.full((n, N_SLOTS), -1, np.int32)
    value = np.zeros((n, N_SLOTS, len(CHANNELS)), np.float32)
    used = rng.random(index.shape) < 0.3
    cells = rng.integers(0, len(schema.sources) * len(schema.destinations), index.shape)
    index[used], value[used, 0] = cells[used], rng.choice([0, -0.5, 0.7], used.sum())
    categorical = rng.integers(0, schema.option_counts, (n, len(schema.categorical)), np.int32)
    return rng.random((n, len(schema.continuous)), np.float32), categorical, (index, value)


@functools.cache
def schemas() -> dict[str, Schema]:
    small = Schema(
        (Continuous("osc_1_level", 0, 1, 0.5), Continuous("lfo_1_phase", 0, 1, 0), Continuous("volume", 0, 1, 1)),
        (Categorical("osc_1_on", 0, 2, 1), Categorical("lfo_1_sync", 0, 5, 0)),
        ("lfo_1", "velocity"),
        ("osc_1_level", "osc_2_level", "lfo_1_frequency", "volume"),
    )
    without_menus = Schema(small.continuous, (), small.sources, small.destinations)
    return {"engine": VITAL, "encoded": TargetEncoding(VITAL).schema, "small": small, "without menus": without_menus}


def test_audible_schema_without_modulation_has_no_audible_route():
    schema = Schema(schemas()["small"].continuous, schemas()["small"].categorical, (), ())
    for sound_ in (schema.default_parameters(), Parameters(*(a[None] for a in schema.default_parameters()))):
        found = audible(audibility_rules(schema), *sound_[:2], sound_[2:])
        assert found.continuous.all()
        assert found.routes.shape == sound_.route_index.shape
        assert not found.routes.any()
    few = sound(routes=[("lfo_1", "osc_1_level", 0.5), ("lfo_2", "modulation_9_amount", 0.5)])
    short = few.route_index[:4], few.route_value[:4]  # slot 9 is not there
    found = audible(audibility_rules(VITAL), few.continuous, few.categorical, short)
    assert found.routes.tolist() == [True, False, False, False]


@functools.partial(jax.jit, static_argnames=("parts",))
def audible_in_jax(rules, continuous, categorical, routes, parts=PARTS):
    return audible(rules, continuous, categorical, routes, parts)


@settings(deadline=None, max_examples=6)
@given(seeds, st.sampled_from(["engine", "encoded", "small", "without menus"]))
def test_audible_in_jax_equals_numpy_and_each_sound_alone(seed, which):
    schema = schemas()[which]
    rules, (continuous, categorical, routes) = audibility_rules(schema), random_sounds(schema, seed)
    found = audible(rules, continuous, categorical, routes)
    assert found.continuous.shape == continuous.shape
    assert found.categorical.shape == categorical.shape
    assert found.routes.shape == routes[0].shape
    for array, traced in zip(found, audible_in_jax(rules, continuous, categorical, routes), strict=True):
        assert isinstance(array, np.ndarray)
        assert isinstance(traced, jax.Array)
        np.testing.assert_array_equal(array, traced)
    for row in range(len(continuous)):
        alone = audible(rules, continuous[row], categorical[row], tuple(array[row] for array in routes))
        for single, batched in zip(alone, found, strict=True):
            np.testing.assert_array_equal(single, batched[row])


@settings(deadline=None, max_examples=20)
@given(seeds, st.sampled_from(["engine", "encoded", "small", "without menus"]))
def test_audible_single_parts_combine_to_the_result_of_all(seed, which):
    schema = schemas()[which]
    rules, sounds = audibility_rules(schema), random_sounds(schema, seed)
    every = audible(rules, *sounds)
    single = [audible(rules, *sounds, parts=(part,)) for part in PARTS]
    for side in ("continuous", "categorical", "destinations"):
        together = np.logical_and.reduce([getattr(one, side) for one in single])
        np.testing.assert_array_equal(getattr(every, side), together)
        assert getattr(audible(rules, *sounds, parts=()), side).all()
    for one in single:
        np.testing.assert_array_equal(one.routes, every.routes)


def slow_sources(schema, found_in_use, index, value):
    """Audible slots and sources, found route by route until nothing is added: an independent computation."""
    pairs = {slot: divmod(int(cell), len(schema.destinations)) for slot, cell in enumerate(index) if cell >= 0}
    pointed = {slot: int(schema.destination_slots[d]) for slot, (_, d) in pairs.items()}
    slots, sources = set(), set()
    while True:
        before = len(slots), len(sources)
        for slot, (_, destination) in pairs.items():
            name = schema.destinations[destination]
            needs = shaped_source(name, schema)
            arrives = pointed[slot] in slots if pointed[slot] >= 0 else found_in_use[destination]
            if arrives and (needs is None or needs in sources):
                slots.add(slot)
        for slot in slots:
            if abs(value[slot, 0]) > 1e-6 or slot in pointed.values():
                sources.add(schema.sources[pairs[slot][0]])
        if (len(slots), len(sources)) == before:
            return slots, sources


@settings(deadline=None, max_examples=30)
@given(seeds, st.sampled_from(["engine", "encoded", "small"]))
def test_audible_sources_equal_a_route_by_route_search(seed, which):
    schema = schemas()[which]
    rules, (continuous, categorical, (index, value)) = audibility_rules(schema), random_sounds(schema, seed, n=2)
    found = audible(rules, continuous, categorical, (index, value))
    in_use = audible(rules, continuous, categorical, (index, value), ("modules", "modes", "feeding")).destinations
    only = audible(rules, continuous, categorical, (index, value), ("sources",))
    for row in range(2):
        slots, sources = slow_sources(schema, in_use[row], index[row], value[row])
        assert set(np.flatnonzero(found.routes[row]).tolist()) == slots
        for i, name in enumerate(schema.continuous_names):
            needs = shaped_source(name, schema)
            assert only.continuous[row, i] == (needs is None or needs in sources), name


@settings(deadline=None, max_examples=8)
@given(seeds, st.sampled_from(["engine", "encoded", "small"]))
def test_audible_matrix_without_routes_to_slots_equals_sparse_routes(seed, which):
    schema = schemas()[which]
    rules, (continuous, categorical, (index, value)) = audibility_rules(schema), random_sounds(schema, seed)
    pointing = schema.destination_slots[index % len(schema.destinations)] >= 0
    index[pointing] = -1
    size = len(schema.sources), len(schema.destinations)
    for row in index:  # each cell once, as in a matrix
        _, first = np.unique(row, return_index=True)
        row[np.setdiff1d(np.arange(N_SLOTS), first)] = -1
    matrix = np.stack([dense_routes(i, v, *size) for i, v in zip(index, value, strict=True)])
    value[index < 0] = 0
    moved = abs(value[..., 0]) > 0
    sparse = audible(rules, continuous, categorical, (np.where(moved, index, -1), value))
    dense = audible(rules, continuous, categorical, matrix)
    traced = audible_in_jax(rules, continuous, categorical, matrix)
    for side in ("continuous", "categorical"):
        np.testing.assert_array_equal(getattr(dense, side), getattr(sparse, side))
        np.testing.assert_array_equal(getattr(dense, side), getattr(traced, side))


def test_audible_matrix_counts_routes_to_slots_as_audible():
    one = sound(routes=[("lfo_1", "modulation_9_amount", 0.5)])
    matrix = dense_routes(one.route_index, one.route_value, len(VITAL.sources), len(VITAL.destinations))
    found = audible(audibility_rules(VITAL), one.continuous, one.categorical, matrix)
    assert "lfo_1_phase" in names_of(found)
    assert "lfo_1_phase" not in audible_in(one)[0]


def test_audible_in_jax_compiles_no_loop_over_controls():
    """A few hundred operations for any schema, so that a training step is not slower."""
    rules, sounds = audibility_rules(VITAL), random_sounds(VITAL, 0)
    jaxpr = jax.make_jaxpr(lambda *arrays: audible(rules, *arrays))(*sounds)
    assert len(jaxpr.eqns) < 400


def test_can_vary_leaves_out_frozen_masked_and_single_options():
    knobs, menus = can_vary(VITAL, 3)
    np.testing.assert_array_equal(knobs, ~VITAL.frozen_continuous())
    assert not menus[VITAL.position["oversampling"]]
    assert menus[VITAL.position["lfo_1_shape"]]
    knobs, menus = can_vary(VITAL, 2)
    assert not knobs[VITAL.position["lfo_1_phase"]]
    assert knobs[VITAL.position["env_2_attack"]]
    assert not menus[VITAL.position["lfo_1_shape"]]
    assert not can_vary(engine_schema(), 3)[1][VITAL.position["osc_1_wavetable"]]  # nothing to choose from
    with pytest.raises(ValueError, match="tier 4"):
        can_vary(VITAL, 4)


def test_audibility_import_loads_neither_jax_nor_vita():
    script = (
        "import sys, vjax.sound.audibility as a; assert not {'jax', 'vita'} & set(sys.modules), sorted(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", script], check=True)
