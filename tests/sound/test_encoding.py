"""Tests of vjax.sound.encoding: both forms give the same presets, and effect orders equal the engine's."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.sound.audibility import audible
from vjax.sound.encoding import (
    CHAIN,
    EFFECTS,
    POSITIONS,
    TargetEncoding,
    chain_number,
    chain_ranks,
    effect_positions,
    is_semitones,
)
from vjax.sound.rules import audibility_rules
from vjax.sound.schema import Continuous, Parameters

N_CHAINS = math.factorial(len(EFFECTS))


@pytest.fixture(scope="module")
def controls():
    from vjax.vital.default_vocabulary import default_vocabulary

    return default_vocabulary().schema()


def test_chain_ranks_of_504_numbers_are_unique_and_round_trip():
    """The multiples of 6!: 9! / 6! numbers. Their ranks differ, and `chain_number` of the ranks is the number."""
    codes = np.arange(0, N_CHAINS, math.factorial(6))
    ranks = chain_ranks(codes)
    assert len({tuple(row) for row in ranks.tolist()}) == len(codes)
    assert (np.sort(ranks, axis=1) == np.arange(len(EFFECTS))).all()
    everything = np.ones(len(EFFECTS), bool)
    assert [chain_number(row / 9, everything) for row in ranks] == codes.tolist()


def test_chain_ranks_of_small_numbers_move_one_effect_to_the_end():
    chains = [np.argsort(row).tolist() for row in chain_ranks(np.arange(9))]
    assert chains[0] == list(range(9))
    assert chains[1] == [0, 1, 2, 3, 4, 5, 6, 8, 7]
    assert chains[8] == [1, 2, 3, 4, 5, 6, 7, 8, 0]


@given(st.integers(0, N_CHAINS - 1), st.lists(st.booleans(), min_size=9, max_size=9))
@settings(deadline=None)
def test_effect_positions_keep_the_order_of_effects_that_are_on(code, on):
    on = np.array(on)
    (positions,) = effect_positions(np.array([code]), on[None])
    again = chain_number(positions, on)
    first, second = chain_ranks(np.array([code, again]))
    played = np.flatnonzero(on)
    assert np.array_equal(played[np.argsort(first[on])], played[np.argsort(second[on])])
    assert (positions[~on] == 0.5).all()
    assert sorted(positions[on]) == pytest.approx([(k + 0.5) / len(played) for k in range(len(played))])


def test_chain_number_of_the_default_order_is_0_for_any_switches():
    for on in itertools.product([False, True], repeat=9):
        (positions,) = effect_positions(np.array([0]), np.array([on]))
        assert chain_number(positions, np.array(on)) == 0


def test_target_encoding_schema_has_semitone_classes_and_effect_positions(controls):
    encoded = TargetEncoding(controls).schema
    assert encoded.categorical_names[: len(controls.categorical)] == controls.categorical_names
    assert encoded.categorical_names[len(controls.categorical) :] == (
        *(f"osc_{i}_transpose" for i in (1, 2, 3)),
        "sample_transpose",
        "voice_transpose",
    )
    menu = encoded.categorical[encoded.position["osc_2_transpose"]]
    assert (menu.n_options, menu.label(menu.default), menu.label(0)) == (97, "+0", "-48")
    assert CHAIN not in encoded.position
    assert encoded.continuous_names[-9:] == tuple(f"{effect}_order" for effect in EFFECTS)
    default = encoded.default_parameters()
    on = audible(audibility_rules(encoded), default.continuous, default.categorical, parts=("modules",))
    assert not on.continuous[encoded.position["filter_fx_order"]]
    assert on.categorical[encoded.position["osc_1_transpose"]]
    assert not on.categorical[encoded.position["osc_2_transpose"]]


def test_target_encoding_without_effects_keeps_the_other_knobs(schema):
    encoded = TargetEncoding(schema).schema
    assert encoded.continuous_names == tuple(n for n in schema.continuous_names if n != "osc_1_transpose")
    assert encoded.categorical_names == (*schema.categorical_names, "osc_1_transpose")


def test_encode_converts_rows_to_the_encoded_schema(schema):
    encoding = TargetEncoding(schema)
    rng = np.random.default_rng(0)
    continuous = rng.random((4, len(schema.continuous)), np.float32)
    at = schema.position["osc_1_transpose"]
    continuous[:, at] = np.array([-48, -1, 0, 48]) / 96 + 0.5
    knobs, menus = encoding.encode(continuous, np.zeros((4, len(schema.categorical)), np.int32))
    assert np.array_equal(knobs, np.delete(continuous, at, axis=1))
    assert menus[:, -1].tolist() == [0, 47, 48, 96]
    assert menus.dtype == np.int32
    assert knobs.dtype == np.float32


def test_encode_importance_keeps_the_weight_of_each_knob(controls):
    encoding = TargetEncoding(controls)
    weights = np.arange(len(controls.continuous), dtype=np.float32)
    moved = dict(zip(encoding.schema.continuous_names, encoding.encode_importance(weights), strict=True))
    assert encoding.encode_importance(None) is None
    assert moved["reverb_order"] == weights[controls.position[CHAIN]]
    assert moved["volume"] == weights[controls.position["volume"]]
    assert len(moved) == len(encoding.schema.continuous)


def random_controls(controls, seed, n=3):
    """[n, knobs] norm and [n, menus]: all values that a schema of controls allows."""
    rng = np.random.default_rng(seed)
    continuous = rng.random((n, len(controls.continuous)), np.float32)
    return continuous, rng.integers(0, controls.option_counts, (n, len(controls.categorical)), np.int32)


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_decode_after_encode_returns_the_controls(controls, seed):
    """Semitones are rounded, and effects that are off get their default positions. All else is equal to the bit."""
    encoding = TargetEncoding(controls)
    continuous, categorical = random_controls(controls, seed)
    encoded = encoding.encode(continuous, categorical)
    decoded = encoding.decode(*encoded)
    for found, expected in zip(encoding.encode(*decoded), encoded, strict=True):
        assert found.dtype == expected.dtype
        assert np.array_equal(found, expected)
    assert np.array_equal(decoded[1], categorical)
    assert (decoded[0].dtype, decoded[0].shape) == (continuous.dtype, continuous.shape)
    turned = [i for i, knob in enumerate(controls.continuous) if is_semitones(knob.name) or knob.name == CHAIN]
    kept = np.delete(np.arange(len(controls.continuous)), turned)
    assert np.array_equal(decoded[0][:, kept], continuous[:, kept])
    semitones = [i for i in turned if controls.continuous[i].name != CHAIN]
    assert np.array_equal(controls.to_native(decoded[0])[:, semitones], controls.to_native(continuous)[:, semitones])
    assert np.array_equal(encoding.decode(*encoding.encode(*decoded))[0], decoded[0])


@given(st.integers(0, 2**32 - 1))
@settings(deadline=None, max_examples=30)
def test_encode_names_and_decode_names_agree_with_arrays(controls, seed):
    encoding = TargetEncoding(controls)
    continuous, categorical = random_controls(controls, seed, n=1)

    def by_name(schema, continuous, categorical):
        native = schema.to_native(continuous)[0]
        return (
            dict(zip(schema.continuous_names, map(float, native), strict=True)),
            dict(zip(schema.categorical_names, map(int, categorical[0]), strict=True)),
        )

    native, menus = by_name(controls, continuous, categorical)
    expected_native, expected_menus = by_name(encoding.schema, *encoding.encode(continuous, categorical))
    found_native, found_menus = encoding.encode_names(native, menus)
    assert found_native == pytest.approx(expected_native, rel=1e-5, abs=1e-5)
    assert found_menus == expected_menus
    decoded_native, decoded_menus = encoding.decode_names(found_native, found_menus)
    assert decoded_menus == menus
    assert decoded_native == pytest.approx(native | {CHAIN: decoded_native[CHAIN]})
    assert encoding.encode_names(decoded_native, decoded_menus) == (found_native, found_menus)


def test_decode_names_of_controls_changes_nothing(controls):
    native, menus = {CHAIN: 7.0, "osc_1_transpose": -12.0, "volume": 1.0}, {"reverb_on": 1}
    assert TargetEncoding(controls).decode_names(native, menus) == (native, menus)


def test_target_encoding_of_an_encoded_schema_changes_nothing(controls):
    encoded = TargetEncoding(controls).schema
    assert set(POSITIONS) <= set(encoded.continuous_names)
    assert TargetEncoding(encoded).schema == encoded
    rows = random_controls(encoded, seed=0)
    for again in (TargetEncoding(encoded).encode(*rows), TargetEncoding(encoded).decode(*rows)):
        assert all(np.array_equal(found, expected) for found, expected in zip(again, rows, strict=True))


def test_to_preset_from_controls_and_from_the_encoding_is_the_same(controls):
    """For random sounds, except the inaudible part of the chain's number."""
    from vjax.data.sampling import sample_block
    from vjax.data.sampling_config import SamplingConfig
    from vjax.vital.default_vocabulary import default_vocabulary
    from vjax.vital.vocabulary import to_parameters, to_preset

    vocabulary, encoding = default_vocabulary(), TargetEncoding(controls)
    for draw in sample_block(controls, SamplingConfig(), seed=5, block=0, size=6):
        plain = to_preset(draw.parameters, controls, vocabulary)
        knobs, menus = encoding.encode(draw.parameters.continuous[None], draw.parameters.categorical[None])
        encoded = Parameters(knobs[0], menus[0], *draw.parameters[2:])
        made = to_preset(encoded, encoding.schema, vocabulary)
        # Ranks of effects that are off may differ, and so may the chain's number. Nothing else may.
        schema = _engine_controls()
        at = schema.position[CHAIN]
        differing = np.flatnonzero(plain.continuous != made.continuous)
        assert set(differing.tolist()) <= {at}
        assert np.array_equal(plain.categorical, made.categorical)
        assert plain.routes == made.routes
        back, _ = to_parameters(made, encoding.schema, vocabulary)
        assert np.array_equal(back.categorical, encoded.categorical)
        assert back.continuous == pytest.approx(encoded.continuous, abs=1e-6)


def test_effect_positions_that_are_equal_render_the_same_bits(controls):
    """Three effects on, in several orders: equal orders by `effect_positions` are equal sounds, others are not."""
    from vjax.engine.config import RenderConfig
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.vital.preset import init

    engine_controls = _engine_controls()
    continuous, categorical = init().continuous.copy(), init().categorical.copy()
    for name, native in (("osc_1_random_phase", 0.0), ("distortion_drive", 18.0)):
        knob: Continuous = engine_controls.continuous[engine_controls.position[name]]
        continuous[engine_controls.position[name]] = knob.to_norm(native)
    on = np.array([effect in ("delay", "distortion", "reverb") for effect in EFFECTS])
    for effect in np.array(EFFECTS)[on]:
        categorical[engine_controls.position[f"{effect}_on"]] = 1
    chain = engine_controls.continuous[engine_controls.position[CHAIN]]
    codes = [0, 1, 7, 5040, 40320, 40327, 362879, 123456]
    played = {}
    with RenderPool(RenderConfig(seconds=0.5, note_s=0.3), workers=2) as pool:
        for code in codes:
            (positions,) = effect_positions(np.array([code]), on[None])
            audio = []
            for number in (code, chain_number(positions, on)):
                knobs = continuous.copy()
                knobs[engine_controls.position[CHAIN]] = chain.to_norm(number)
                preset = dataclasses.replace(init(), continuous=knobs, categorical=categorical)
                audio.append(pool.render(RenderJob(preset.to_json(), (48,))).audio)
            assert np.array_equal(*audio), code
            played.setdefault(tuple(positions), []).append(audio[0])
    assert len(played) > 2
    for sounds in played.values():
        assert all(np.array_equal(sound, sounds[0]) for sound in sounds)
    for one, other in itertools.combinations(played.values(), 2):
        assert not np.array_equal(one[0], other[0])


def _engine_controls():
    from vjax.vital.preset import controls

    return controls()
