"""Tests of vjax.inference.breeding: children are whole presets, and the engine says that they are worth it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vjax.inference.breeding import MODULES, Breeding, Member, changed, crossed
from vjax.inference.refine import RefineConfig, refine
from vjax.inference.search import RefineTarget, Start
from vjax.inference.space import make_space
from vjax.inference.strategy import StrategyConfig
from vjax.vital import preset as vital_preset
from vjax.vital.engine import RenderConfig
from vjax.vital.pool import RenderJob, RenderPool
from vjax.vital.preset import Preset, Route, controls, read_preset

PRESETS = [read_preset(file) for file in sorted((Path(__file__).parents[1] / "data" / "presets").glob("*.vital"))]
numbers = st.integers(0, len(PRESETS) - 1)  # of PRESETS: hypothesis would print whole presets
pairs = st.tuples(numbers, numbers)
module_sets = st.sets(st.sampled_from(MODULES), min_size=1)
RENDER = RenderConfig(seconds=0.4, note_s=0.3)


def native(preset: Preset, name: str) -> float:
    schema = controls()
    at = schema.position[name]
    return schema.minimum[at] + preset.continuous[at] * schema.span[at]


def edited(preset: Preset, menus=(), routes=None, **norm: float) -> Preset:
    continuous, categorical = preset.continuous.copy(), preset.categorical.copy()
    for name, value in norm.items():
        continuous[controls().position[name]] = value
    for name, value in dict(menus).items():
        categorical[controls().position[name]] = value
    routes = preset.routes if routes is None else (*routes, *[None] * (64 - len(routes)))
    return dataclasses.replace(preset, continuous=continuous, categorical=categorical, routes=routes)


@settings(max_examples=40, deadline=None)
@given(pair=pairs, modules=module_sets)
def test_a_child_has_each_module_from_one_parent(pair, modules):
    first, second = (PRESETS[i] for i in pair)
    child, schema = crossed(first, second, modules), controls()
    sources = {r.source for r in child.routes if r is not None}
    for kind in ("continuous", "categorical"):
        for i, name in enumerate(getattr(schema, f"{kind}_names")):
            value, mine, other = (getattr(one, kind)[i] for one in (child, first, second))
            if name.endswith("_transpose") and schema.module(name) in modules:
                continue  # has a test of its own
            if schema.module(name) in modules:
                assert value == other, name
            elif schema.module(name) not in sources and name not in sources:
                assert value == mine, name
            else:
                assert value in (mine, other), name
    for i, table in enumerate(child.wavetables):
        assert table is (second if f"osc_{i + 1}" in modules else first).wavetables[i]
    assert child.sample is (second if "sample" in modules else first).sample


@settings(max_examples=40, deadline=None)
@given(pair=pairs, modules=module_sets)
def test_its_routes_follow_what_they_move(pair, modules):
    first, second = (PRESETS[i] for i in pair)
    module, child = controls().module, crossed(first, second, modules)

    def of(preset: Preset, taken: bool) -> set:
        return {
            r
            for r in preset.routes
            if r is not None and (module(r.destination) in modules) == taken and r.curve is None and not r.bypass
        }

    plain = {r for r in of(child, True) | of(child, False) if not r.destination.startswith("modulation_")}
    wanted = {r for r in of(first, False) | of(second, True) if not r.destination.startswith("modulation_")}
    assert plain == wanted


@settings(max_examples=25, deadline=None)
@given(number=numbers, modules=module_sets)
def test_crossed_with_itself_it_is_itself(number, modules):
    preset = PRESETS[number]
    child = crossed(preset, preset, modules)
    np.testing.assert_array_equal(child.continuous, preset.continuous)
    np.testing.assert_array_equal(child.categorical, preset.categorical)
    for field in ("wavetables", "lfo_shapes"):
        assert all(a is b for a, b in zip(getattr(child, field), getattr(preset, field), strict=True))


def test_an_oscillator_keeps_its_pitch_in_another_voice():
    voice, osc = (controls().position[f"{module}_transpose"] for module in ("voice", "osc_1"))
    span = controls().span
    low = edited(PRESETS[0], voice_transpose=0.5)
    high = edited(PRESETS[1], voice_transpose=0.5 + 12 / span[voice], osc_1_transpose=0.5 + 7 / span[osc])
    child = crossed(low, high, {"osc_1"})
    sounding = [native(preset, "voice_transpose") + native(preset, "osc_1_transpose") for preset in (child, high)]
    assert sounding[0] == pytest.approx(sounding[1])


def test_a_route_brings_its_source_unless_the_first_uses_it():
    init = vital_preset.init()
    route = Route("lfo_1", "osc_1_level", 0.5)
    second = edited(init, routes=[route], lfo_1_frequency=0.9)
    assert native(crossed(init, second, {"osc_1"}), "lfo_1_frequency") == native(second, "lfo_1_frequency")
    busy = edited(init, routes=[Route("lfo_1", "filter_1_cutoff", 0.5)])
    child = crossed(busy, second, {"osc_1"})
    assert native(child, "lfo_1_frequency") == native(busy, "lfo_1_frequency")
    assert {r for r in child.routes if r} == {route, busy.routes[0]}


def test_a_route_that_points_at_a_lost_route_is_lost():
    """It sat in slot 2 and moved the route in slot 1; what takes that slot now is none of its business."""
    init = vital_preset.init()
    chain = [
        Route("lfo_1", "osc_1_level", 0.5),
        Route("macro_control_1", "modulation_1_amount", 0.7),
        Route("macro_control_2", "modulation_2_amount", 0.2),
    ]
    first, second = edited(init, routes=chain), edited(init, routes=[Route("env_2", "osc_1_level", 0.4)])
    child = crossed(first, second, {"osc_1"})
    assert [r for r in child.routes if r] == [second.routes[0]]
    untouched = crossed(first, second, {"osc_2"})
    assert untouched.routes == first.routes


def test_comments_name_everyone_it_comes_from_once():
    first, second = (dataclasses.replace(PRESETS[0], comments=text) for text in ("by A", "by B"))
    child = crossed(first, second, {"osc_1"})
    assert crossed(child, second, {"osc_2"}).comments == "by A\nby B"


@settings(max_examples=60, deadline=None)
@given(pair=pairs, seed=st.integers(0, 2**31))
def test_a_change_is_of_knobs_or_of_one_menu_or_of_one_wavetable(pair, seed):
    preset, other = (PRESETS[i] for i in pair)
    child = changed(preset, other, np.random.default_rng(seed))
    names = np.array(controls().continuous_names)
    turned = set(names[child.continuous != preset.continuous])
    menus = np.flatnonzero(child.categorical != preset.categorical)
    tables = [i for i, (a, b) in enumerate(zip(child.wavetables, preset.wavetables, strict=True)) if a is not b]
    if len(menus):
        assert len(menus) == 1
        assert not turned
        assert not tables
        assert child.categorical[menus[0]] == other.categorical[menus[0]]
    elif tables:
        assert len(tables) == 1
        assert turned <= {f"osc_{tables[0] + 1}_wave_frame"}
        assert any(child.wavetables[tables[0]] is table for table in other.wavetables)
    else:
        allowed = {f"osc_{i + 1}_wave_frame" for i in range(3)}  # the same table, at another frame
        assert turned <= set(make_space(preset).names) | allowed
    assert child.continuous.min() >= 0
    assert child.continuous.max() <= 1


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_generations_of_children_are_presets_that_can_be_written_and_read(seed):
    rng = np.random.default_rng(seed)
    breeding = Breeding([Member(float(i), f"start {i}", preset) for i, preset in enumerate(PRESETS)], rng)
    for _ in range(4):
        children = breeding.ask(8)
        breeding.tell(children, rng.random(8).astype(np.float32))
    for label, child in children:
        assert label.startswith("bred from start ")
        again = Preset.from_json(child.to_json())
        assert again.routes == child.routes
        np.testing.assert_array_equal(again.categorical, child.categorical)
        np.testing.assert_allclose(again.continuous, child.continuous, atol=1e-6)


def test_equal_losses_breed_equal_children_and_silence_is_forgotten():
    losses = np.array([0.5, np.nan, 0.2, 3.0], np.float32)
    runs = []
    for _ in range(2):
        members = [Member(1.0, "a", PRESETS[0]), Member(2.0, "b", PRESETS[1])]
        breeding = Breeding(members, np.random.default_rng(5))
        children = breeding.ask(4)
        breeding.tell(children, losses)
        assert [member.loss for member in breeding.members] == pytest.approx([0.2, 0.5, 1.0, 2.0, 3.0])
        assert breeding.members[0].preset is children[2][1]
        runs.append([child.to_json() for _, child in [*children, *breeding.ask(4)]])
    assert runs[0] == runs[1]


def test_kinds_differ_in_more_than_knobs():
    turned = edited(PRESETS[0], osc_1_level=0.1)
    switched = edited(PRESETS[0], menus={"reverb_on": 1 - PRESETS[0].categorical[controls().position["reverb_on"]]})
    members = [Member(3.0, "switched", switched), Member(2.0, "turned", turned), Member(1.0, "best", PRESETS[0])]
    assert [kind.label for kind in Breeding(members, np.random.default_rng(0)).kinds()] == ["best", "switched"]


def test_who_does_not_fit_is_not_born():
    largest = max(make_space(preset).size for preset in PRESETS[:2])
    members = [Member(1.0, "a", PRESETS[0]), Member(2.0, "b", PRESETS[1])]
    breeding = Breeding(members, np.random.default_rng(0), lambda preset: make_space(preset).size <= largest)
    assert all(make_space(child).size <= largest for _, child in breeding.ask(40))
    with pytest.raises(ValueError, match="give at least one"):
        Breeding([], np.random.default_rng(0))


@pytest.fixture(scope="module")
def two_halves():
    """A sound, and two starts of which each is right about half of it: the oscillator, and the filter."""
    menus = {"filter_1_on": 1}
    plain = edited(vital_preset.init(), menus=menus, osc_1_random_phase=0.0, filter_1_cutoff=0.9)
    tone = edited(plain, osc_1_transpose=0.5 + 7 / controls().span[controls().position["osc_1_transpose"]])
    dark = edited(plain, menus={"filter_1_model": 3}, filter_1_cutoff=0.5, filter_1_resonance=0.8)
    both = crossed(tone, dark, {"filter_1"})
    with RenderPool(RENDER, 2) as pool:
        audio = pool.render(RenderJob(both.to_json(), (48,))).audio[0]
    return RefineTarget("both", audio, 48, (Start("tone", tone), Start("dark", dark)))


def test_it_joins_what_two_starts_are_right_about(two_halves):
    config = RefineConfig(evals=68, breed=34, strategy=StrategyConfig(population=16))
    seen, results = [], []
    for workers in (2, 1):
        (result,) = refine([two_halves], config, RENDER, workers, on_progress=seen.append)
        results.append(result)
        assert result.start.startswith("bred from ")
        assert result.after.loss < 0.5 * min(result.start_losses.values())
    bred = next(progress for progress in seen if progress.evals == 34)
    assert bred.loss < 0.5 * min(results[0].start_losses.values())  # before any knob was turned
    assert results[0].trace == results[1].trace
    assert results[0].preset.to_json() == results[1].preset.to_json()


def test_its_part_of_the_budget_is_kept_and_the_knobs_are_turned_afterwards(two_halves):
    config = RefineConfig(evals=40, breed=30, strategy=StrategyConfig(population=8))

    def budgets(**changes) -> list[int]:
        spent = changes.pop("spent", 0)
        target = two_halves._replace(spent=spent)
        (result,) = refine([target], dataclasses.replace(config, **changes), RENDER, 2)
        return [evals for evals, _ in result.trace]

    assert budgets() == [2, 10, 18, 20, 29, 38, 40]  # at most half; nine a generation of knobs, with the mean
    assert budgets(breed=12) == [2, 10, 12, 21, 30, 39, 40]
    assert budgets(breed=0) == [2, 11, 20, 29, 38, 40]
    assert budgets(spent=20) == [22, 31, 40]
    assert budgets(evals=10**6, seconds=0.01) == [2, 11]  # its half of the time is over


def test_evaluations_are_counted_from_0():
    with pytest.raises(ValueError, match="breed=-1; give evaluations"):
        RefineConfig(breed=-1)
