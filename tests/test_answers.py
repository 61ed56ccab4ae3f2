"""Answers: the two forms say the same presets, and the order of effects is what the engine plays."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.answers import EFFECTS, ORDER, AnswerForm, chain_number, chain_ranks, effect_places
from vjax.schema import Continuous, Parameters
from vjax.sound.audibility import audible
from vjax.sound.rules import audibility_rules

N_CHAINS = math.factorial(len(EFFECTS))


@pytest.fixture(scope="module")
def controls():
    from vjax.vital.default_vocabulary import default_vocabulary

    return default_vocabulary().schema()


def test_every_chain_of_a_few_effects_has_one_number():
    """By brute force over the last digits: 9! / 6! numbers, all different, each the number of its own ranks."""
    codes = np.arange(0, N_CHAINS, math.factorial(6))
    ranks = chain_ranks(codes)
    assert len({tuple(row) for row in ranks.tolist()}) == len(codes)
    assert (np.sort(ranks, axis=1) == np.arange(len(EFFECTS))).all()
    everything = np.ones(len(EFFECTS), bool)
    assert [chain_number(row / 9, everything) for row in ranks] == codes.tolist()


def test_small_numbers_move_one_effect_to_the_end():
    chains = [np.argsort(row).tolist() for row in chain_ranks(np.arange(9))]
    plain = list(range(9))
    assert chains[0] == plain
    assert chains[1] == [0, 1, 2, 3, 4, 5, 6, 8, 7]
    assert chains[8] == [1, 2, 3, 4, 5, 6, 7, 8, 0]


@given(st.integers(0, N_CHAINS - 1), st.lists(st.booleans(), min_size=9, max_size=9))
@settings(deadline=None)
def test_places_keep_the_order_of_what_is_on(code, on):
    on = np.array(on)
    (places,) = effect_places(np.array([code]), on[None])
    again = chain_number(places, on)
    first, second = chain_ranks(np.array([code, again]))
    played = np.flatnonzero(on)
    assert np.array_equal(played[np.argsort(first[on])], played[np.argsort(second[on])])
    assert (places[~on] == 0.5).all()
    assert sorted(places[on]) == pytest.approx([(k + 0.5) / len(played) for k in range(len(played))])


def test_the_plain_order_has_number_0_whatever_is_on():
    for on in itertools.product([False, True], repeat=9):
        (places,) = effect_places(np.array([0]), np.array([on]))
        assert chain_number(places, np.array(on)) == 0


def test_answer_schema_asks_semitones_as_menus_and_the_chain_as_places(controls):
    answers = AnswerForm(controls).answers
    assert answers.categorical_names[: len(controls.categorical)] == controls.categorical_names
    assert answers.categorical_names[len(controls.categorical) :] == (
        *(f"osc_{i}_transpose" for i in (1, 2, 3)),
        "sample_transpose",
        "voice_transpose",
    )
    menu = answers.categorical[answers.position["osc_2_transpose"]]
    assert (menu.n_options, menu.label(menu.default), menu.label(0)) == (97, "+0", "-48")
    assert ORDER not in answers.position
    assert answers.continuous_names[-9:] == tuple(f"{effect}_order" for effect in EFFECTS)
    default = answers.default_parameters()
    on = audible(audibility_rules(answers), default.continuous, default.categorical, parts=("modules",))
    assert not on.continuous[answers.position["filter_fx_order"]]
    assert on.categorical[answers.position["osc_1_transpose"]]
    assert not on.categorical[answers.position["osc_2_transpose"]]


def test_a_schema_without_effects_keeps_its_knobs(schema):
    answers = AnswerForm(schema).answers
    assert answers.continuous_names == tuple(n for n in schema.continuous_names if n != "osc_1_transpose")
    assert answers.categorical_names == (*schema.categorical_names, "osc_1_transpose")


def test_rows_change_with_the_schema(schema):
    form = AnswerForm(schema)
    rng = np.random.default_rng(0)
    continuous = rng.random((4, len(schema.continuous)), np.float32)
    at = schema.position["osc_1_transpose"]
    continuous[:, at] = np.array([-48, -1, 0, 48]) / 96 + 0.5
    knobs, menus = form(continuous, np.zeros((4, len(schema.categorical)), np.int32))
    assert np.array_equal(knobs, np.delete(continuous, at, axis=1))
    assert menus[:, -1].tolist() == [0, 47, 48, 96]
    assert menus.dtype == np.int32
    assert knobs.dtype == np.float32


def test_importance_follows_its_knobs(controls):
    form = AnswerForm(controls)
    weights = np.arange(len(controls.continuous), dtype=np.float32)
    moved = dict(zip(form.answers.continuous_names, form.importance(weights), strict=True))
    assert form.importance(None) is None
    assert moved["reverb_order"] == weights[controls.position[ORDER]]
    assert moved["volume"] == weights[controls.position["volume"]]
    assert len(moved) == len(form.answers.continuous)


def test_both_forms_make_the_same_preset(controls):
    """Of a random sound, but for the part of the chain's number that cannot be heard."""
    from vjax.data.sampling import SamplingConfig, sample_block
    from vjax.vital.default_vocabulary import default_vocabulary
    from vjax.vital.vocabulary import to_parameters, to_preset

    vocabulary, form = default_vocabulary(), AnswerForm(controls)
    for draw in sample_block(controls, SamplingConfig(), seed=5, block=0, size=6):
        plain = to_preset(draw.parameters, controls, vocabulary)
        knobs, menus = form(draw.parameters.continuous[None], draw.parameters.categorical[None])
        answer = Parameters(knobs[0], menus[0], *draw.parameters[2:])
        made = to_preset(answer, form.answers, vocabulary)
        # The rank of off effects may differ, so the chain's number may; nothing else.
        schema = _engine_controls()
        at = schema.position[ORDER]
        differing = np.flatnonzero(plain.continuous != made.continuous)
        assert set(differing.tolist()) <= {at}
        assert np.array_equal(plain.categorical, made.categorical)
        assert plain.routes == made.routes
        back, _ = to_parameters(made, form.answers, vocabulary)
        assert np.array_equal(back.categorical, answer.categorical)
        assert back.continuous == pytest.approx(answer.continuous, abs=1e-6)


def test_the_engine_plays_the_same_bits_from_both_forms(controls):
    """Three effects on, in several orders: equal orders by `effect_places` are equal sounds, others are not."""
    from vjax.vital.engine import RenderConfig
    from vjax.vital.pool import RenderJob, RenderPool
    from vjax.vital.preset import init

    engine_controls = _engine_controls()
    continuous, categorical = init().continuous.copy(), init().categorical.copy()
    for name, native in (("osc_1_random_phase", 0.0), ("distortion_drive", 18.0)):
        knob: Continuous = engine_controls.continuous[engine_controls.position[name]]
        continuous[engine_controls.position[name]] = knob.to_norm(native)
    on = np.array([effect in ("delay", "distortion", "reverb") for effect in EFFECTS])
    for effect in np.array(EFFECTS)[on]:
        categorical[engine_controls.position[f"{effect}_on"]] = 1
    chain = engine_controls.continuous[engine_controls.position[ORDER]]
    codes = [0, 1, 7, 5040, 40320, 40327, 362879, 123456]
    played = {}
    with RenderPool(RenderConfig(seconds=0.5, note_s=0.3), workers=2) as pool:
        for code in codes:
            (places,) = effect_places(np.array([code]), on[None])
            audio = []
            for number in (code, chain_number(places, on)):
                knobs = continuous.copy()
                knobs[engine_controls.position[ORDER]] = chain.to_norm(number)
                preset = dataclasses.replace(init(), continuous=knobs, categorical=categorical)
                audio.append(pool.render(RenderJob(preset.to_json(), (48,))).audio)
            assert np.array_equal(*audio), code
            played.setdefault(tuple(places), []).append(audio[0])
    assert len(played) > 2
    for sounds in played.values():
        assert all(np.array_equal(sound, sounds[0]) for sound in sounds)
    for one, other in itertools.combinations(played.values(), 2):
        assert not np.array_equal(one[0], other[0])


def _engine_controls():
    from vjax.vital.preset import controls

    return controls()
