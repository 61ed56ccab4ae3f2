"""Sampled presets: reproducible, spread as a Latin hypercube, shaped by tier, and crossed by module.

Some routes point at other routes (`modulation_N_amount`): here they are called chains, and named by what they point at.
"""

import collections
import dataclasses
import functools
import os
import subprocess
import sys

import numpy as np
import pytest

from vjax.data.sampling import (
    ORIGINS,
    SamplingConfig,
    cross_modules,
    parameters_hash,
    sample_block,
)
from vjax.data.usage import QUANTILES, kind, load_usage
from vjax.engine.schema import engine_schema
from vjax.sound.audibility import audible
from vjax.sound.rules import audibility_rules
from vjax.sound.schema import CATALOG_CHOICES, LFO_SHAPE_CHOICES, Parameters
from vjax.sound.slots import canonical_slots

VITAL = engine_schema(n_wavetables=24, n_lfo_shapes=20)
DEFAULTS = VITAL.default_parameters()
SWITCHES = tuple(name for name in VITAL.categorical_names if name.endswith("_on"))
VOICE = ("osc_1_on", "osc_2_on", "osc_3_on", "filter_1_on", "filter_2_on")  # a tier-1 sound's modules
LIMITS = {
    "volume": (0.45, 0.72),
    "voice_amplitude": (0.5, 1.0),
    "env_1_delay": (0.0, 0.3),
    "env_1_attack": (0.0, 0.42),
    "env_1_decay": (0.2, 1.0),
}
N = 128


@functools.cache
def draws(tier: int, size: int = N) -> tuple[Parameters, ...]:
    return tuple(draw.parameters for draw in sample_block(VITAL, SamplingConfig(tier=tier), 3, 0, size))


@functools.cache
def bank() -> tuple[tuple[str, Parameters], ...]:
    block = sample_block(VITAL, SamplingConfig(), seed=99, block=0, size=6)
    return tuple((f"person {i}", draw.parameters) for i, draw in enumerate(block))


def option(parameters: Parameters, name: str) -> int:
    return int(parameters.categorical[VITAL.position[name]])


def norm(parameters: Parameters, name: str) -> float:
    return float(parameters.continuous[VITAL.position[name]])


def routes(parameters: Parameters) -> list[tuple[str, str]]:
    cells = (divmod(int(cell), len(VITAL.destinations)) for cell in parameters.route_index if cell >= 0)
    return [(VITAL.sources[source], VITAL.destinations[destination]) for source, destination in cells]


def chains(parameters: Parameters) -> list[tuple[int, int]]:
    """(slot, slot that it points at) of each route that points at a route."""
    targets = VITAL.destination_slots[parameters.route_index % len(VITAL.destinations)]
    return [(int(slot), int(targets[slot])) for slot in np.flatnonzero((parameters.route_index >= 0) & (targets >= 0))]


def plain(names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in names if not pair[1].startswith("modulation_")]


def spelt_out(parameters: Parameters) -> dict[tuple[str, ...], tuple[float, ...]]:
    """The four numbers of each route by its path: source, kind of each route in between, last destination.

    `("macro_control_1", "amount", "lfo_1", "osc_1_level")` is a chain: no slot's number stands in it.
    """
    names, targets = routes(parameters), dict(chains(parameters))

    def path(slot: int) -> tuple[str, ...]:
        source, destination = names[slot]
        if slot not in targets:
            return source, destination
        return source, destination.rpartition("_")[2], *path(targets[slot])

    return {path(slot): tuple(parameters.route_value[slot].tolist()) for slot in range(len(names))}


def assert_equal(a: Parameters, b: Parameters) -> None:
    for x, y in zip(a, b, strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_same_arguments_draw_the_same_presets():
    first, again = (sample_block(VITAL, SamplingConfig(), 7, 2, 5, bank()) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert_equal(a.parameters, b.parameters)
        assert (a.origin, a.name) == (b.origin, b.name)


def test_other_seeds_and_blocks_draw_other_presets():
    blocks = [sample_block(VITAL, SamplingConfig(), seed, block, 4) for seed, block in ((7, 2), (7, 3), (8, 2))]
    hashes = [parameters_hash(draw.parameters) for block in blocks for draw in block]
    assert len(set(hashes)) == 12
    assert len({draw.name for block in blocks for draw in block}) == 12


_ELSEWHERE = """
from vjax.engine.schema import engine_schema
from vjax.data.sampling import *
schema = engine_schema(n_wavetables=24, n_lfo_shapes=20)
people = [(f"person {i}", d.parameters) for i, d in enumerate(sample_block(schema, SamplingConfig(), 99, 0, 6))]
print([(parameters_hash(d.parameters), d.name) for d in sample_block(schema, SamplingConfig(), 7, 2, 40, people)])
"""


def test_another_process_draws_the_same_presets():
    """Python orders sets differently in each process."""
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    found = subprocess.run(
        [sys.executable, "-c", _ELSEWHERE], env=environment, check=True, capture_output=True, text=True
    ).stdout
    here = [(parameters_hash(d.parameters), d.name) for d in sample_block(VITAL, SamplingConfig(), 7, 2, 40, bank())]
    assert found.strip() == str(here)


def always_heard(name: str) -> bool:
    """Knobs that every sound uses, so that what was drawn for them stands in the draw."""
    knob = VITAL.continuous[VITAL.position[name]]
    module = VITAL.module(name)
    global_knob = module == "global" and not name.startswith(("macro", "effect"))
    return (global_knob or module == "env_1") and not knob.frozen and not knob.integer


def test_a_block_is_a_latin_hypercube():
    """N strata of equal probability, one draw in each: the k-th largest value lies in the k-th stratum from the top.

    Below 1 - share a knob keeps its default; above, its value is people's quantile, the quantiles being limited.
    """
    usage, names = load_usage(), [name for name in VITAL.continuous_names if always_heard(name)]
    assert len(names) > 10
    for name in names:
        share = max(usage["changed"][kind(name)], 0.03)
        quantiles = np.array(usage["quantiles"].get(kind(name), QUANTILES)).clip(*LIMITS.get(name, (0, 1)))
        values = np.array([norm(parameters, name) for parameters in draws(1)])
        turned = np.sort(values[values != np.float32(DEFAULTS.continuous[VITAL.position[name]])])[::-1]
        assert len(turned) in (int(share * N), int(share * N) + 1), name
        for k, value in enumerate(turned):
            ranks = 1 - np.array([k + 1, k]) / N / share
            low, high = np.interp(np.clip(ranks, 0, 1), QUANTILES, quantiles)
            assert low - 1e-6 <= value <= high + 1e-6, (name, k)


def test_knobs_stay_where_sounds_are():
    for parameters in draws(2):
        assert 0.45 <= norm(parameters, "volume") <= 0.75
        assert norm(parameters, "env_1_attack") <= 0.42
        assert norm(parameters, "env_1_delay") <= 0.3
        assert norm(parameters, "osc_1_level") >= 0.25


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_every_draw_is_a_valid_preset_with_an_oscillator(tier):
    for parameters in draws(tier):
        VITAL.validate(parameters)
        assert any(option(parameters, f"osc_{i}_on") for i in (1, 2, 3))
        assert [array.dtype for array in parameters] == [array.dtype for array in DEFAULTS]


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_frozen_controls_stay_at_their_default(tier):
    for parameters in draws(tier):
        knobs, menus = VITAL.frozen_continuous(), VITAL.frozen_categorical()
        np.testing.assert_array_equal(parameters.continuous[knobs], DEFAULTS.continuous[knobs])
        np.testing.assert_array_equal(parameters.categorical[menus], DEFAULTS.categorical[menus])


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_what_is_off_stays_at_its_default(tier):
    """Knobs and menus that cannot be heard carry no noise into the labels."""
    for parameters in draws(tier):
        on = audible(audibility_rules(VITAL), parameters.continuous, parameters.categorical, parts=("modules",))
        for field in ("continuous", "categorical"):
            off = ~getattr(on, field)
            assert off.any()
            np.testing.assert_array_equal(getattr(parameters, field)[off], getattr(DEFAULTS, field)[off])


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_integer_knobs_hold_what_the_engine_plays(tier):
    integer = np.array([knob.integer for knob in VITAL.continuous])
    for parameters in draws(tier):
        played = VITAL.to_norm(VITAL.to_native(parameters.continuous))
        np.testing.assert_array_equal(parameters.continuous[integer], played[integer])


def test_tier_1_has_neither_effects_nor_wavetables_nor_routes():
    static = [i for i, name in enumerate(VITAL.continuous_names) if name.startswith(("lfo", "random", "effect"))]
    for parameters in draws(1):
        assert not [name for name in SWITCHES if option(parameters, name) and name not in VOICE]
        assert not any(option(parameters, choice) for choice in CATALOG_CHOICES)
        assert (parameters.route_index == -1).all()
        np.testing.assert_array_equal(parameters.continuous[static], DEFAULTS.continuous[static])
    assert len({tuple(option(parameters, name) for name in VOICE) for parameters in draws(1)}) > 8


def test_tier_2_has_all_modules_but_no_routes():
    used = collections.Counter(name for parameters in draws(2) for name in SWITCHES if option(parameters, name))
    assert len(used) > len(VOICE) + 7
    shares = {name: counts[1] / sum(counts) for name, counts in load_usage()["options"].items() if name in SWITCHES}
    oscillators = [name for name in SWITCHES if name.startswith("osc_")]
    for name in set(SWITCHES) - set(oscillators):
        assert used[name] / N == pytest.approx(shares[name], abs=0.15), name
    # Those that are on come first: their number is people's, not their places.
    assert sum(used[n] for n in oscillators) / N == pytest.approx(sum(shares[n] for n in oscillators), abs=0.3)
    assert len({option(p, "osc_1_wavetable") for p in draws(2) if option(p, "osc_1_on")}) > 20
    routed = [i for i, name in enumerate(VITAL.continuous_names) if name.startswith(("lfo", "random", "env_2"))]
    for parameters in draws(2):
        assert (parameters.route_index == -1).all()
        assert not parameters.route_value.any()
        assert not any(option(parameters, choice) for choice in LFO_SHAPE_CHOICES)
        np.testing.assert_array_equal(parameters.continuous[routed], DEFAULTS.continuous[routed])


def test_route_counts_are_geometric():
    """min(Geometric(0.15) - 1, 20): mean 0.85 (1 - 0.85^20) / 0.15 = 5.45, 15 % without, 3.9 % at the cap."""
    counts = np.array([len(routes(parameters)) for parameters in draws(3, 400)])
    assert counts.max() == 20
    assert counts.mean() == pytest.approx(0.85 * (1 - 0.85**20) / 0.15, abs=0.6)
    assert np.mean(counts == 0) == pytest.approx(0.15, abs=0.04)
    assert np.mean(counts == 20) == pytest.approx(0.85**20, abs=0.025)


def test_route_settings_are_followed():
    none = sample_block(VITAL, SamplingConfig(max_routes=0), 0, 0, 8)
    assert not any(routes(draw.parameters) for draw in none)
    many = sample_block(VITAL, SamplingConfig(route_p=0.01, max_routes=40), 0, 0, 8)
    counts = [len(routes(draw.parameters)) for draw in many]
    assert max(counts) == 40
    assert sum(counts) > 160


def test_routes_connect_each_pair_once_among_what_is_on():
    for parameters in draws(3, 400):
        found = routes(parameters)
        assert len(set(found)) == len(found)
        sources = {source for source, _ in found}
        for source, destination in plain(found):
            assert not destination.startswith("macro_control_")
            assert source not in ("aftertouch", "lift", "mod_wheel", "pitch_wheel", "slide")
            module = VITAL.module(destination)
            if f"{module}_on" in SWITCHES:
                assert option(parameters, f"{module}_on"), destination
            if module.startswith(("lfo", "random")) or module in ("env_2", "env_3", "env_4", "env_5", "env_6"):
                assert module in sources, destination  # an LFO that goes nowhere cannot be heard changing


def test_some_routes_point_at_routes_as_often_as_peoples_do():
    """Any but a sound's first route may; it points at the amount of a plain one in use."""
    people = load_usage()["destinations"]
    share = sum(n for name, n in people.items() if name.startswith("modulation_")) / sum(people.values())
    assert share > 0.05
    n_chains, n_could = 0, 0
    for parameters in draws(3, 400):
        found, linked = routes(parameters), chains(parameters)
        for slot, target in linked:
            assert target < len(found)
            assert found[slot][1] == f"modulation_{target + 1}_amount"
            assert target not in dict(linked)
        n_chains += len(linked)
        n_could += max(len(found) - 1, 0)
    assert n_could > 1000
    assert n_chains / n_could == pytest.approx(share, abs=0.03)


def test_routes_stand_in_canonical_order():
    """Slot numbers mean nothing by themselves: one set of routes, one way to write it, whatever it comes from."""
    crossed = sample_block(VITAL, SamplingConfig(preset_share=1.0), 6, 0, 60, bank())
    assert {ORIGINS[draw.origin] for draw in crossed} == {"preset", "crossover", "mutation"}
    for parameters in (*draws(3, 400), *(draw.parameters for draw in crossed)):
        index, value = canonical_slots(parameters.route_index, parameters.route_value, VITAL)
        np.testing.assert_array_equal(index, parameters.route_index)
        np.testing.assert_array_equal(value, parameters.route_value)


def test_lfos_in_use_have_shapes_and_the_others_the_default():
    """Of those in use a part stays plain; the others choose evenly, the plain one among them."""
    used = []
    for parameters in draws(3, 400):
        sources = {source for source, _ in routes(parameters)}
        for i, choice in enumerate(LFO_SHAPE_CHOICES, start=1):
            if f"lfo_{i}" in sources:
                used.append(option(parameters, choice))
            else:
                assert option(parameters, choice) == 0
    assert len(used) > 300
    assert np.mean(np.array(used) == 0) == pytest.approx(0.4 + 0.6 / 20, abs=0.07)
    assert set(used) == set(range(20))
    assert max(np.bincount(used)[1:]) < 5 * min(np.bincount(used)[1:])


def test_routes_are_weighted_as_people_use_them():
    found = [pair for parameters in draws(3, 400) for pair in routes(parameters)]
    people = load_usage()["sources"]
    macros = sum(count for source, count in people.items() if source.startswith("macro")) / sum(people.values())
    drawn = np.mean([source.startswith("macro") for source, _ in found])
    assert drawn == pytest.approx(macros, abs=0.06)
    destinations = collections.Counter(kind(destination) for _, destination in found)
    assert destinations["filter_N_cutoff"] > 10 * destinations["filter_N_keytrack"]
    amounts = np.concatenate([p.route_value[p.route_index >= 0, 0] for p in draws(3, 400)])
    assert (np.abs(amounts) >= 0.05).all()
    assert np.mean(np.abs(amounts) == 1) == pytest.approx(0.11, abs=0.03)
    assert np.mean(amounts < 0) == pytest.approx(0.07, abs=0.03)


def test_macros_that_route_are_turned_up():
    raised = 0
    for parameters in draws(3, 400):
        for source in {source for source, _ in routes(parameters)}:
            if source.startswith("macro_control"):
                assert norm(parameters, source) >= 0.2
                raised += 1
    assert raised > 100


def test_modulators_come_to_life_when_routed():
    changed = collections.Counter()
    for parameters in draws(3, 400):
        sources = {source for source, _ in routes(parameters)}
        for name in ("lfo_1_frequency", "lfo_1_smooth_time", "env_2_decay", "env_2_sustain"):
            moved = norm(parameters, name) != DEFAULTS.continuous[VITAL.position[name]]
            assert VITAL.module(name) in sources or not moved
            changed[name] += moved
    assert min(changed.values()) > 5


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_origins_are_shared_out_as_configured(tier):
    """Half from the bank: a fifth of it unchanged, two fifths crossed, two fifths mutated."""
    block = sample_block(VITAL, SamplingConfig(tier=tier), 4, 0, 160, bank())
    share = {name: np.mean([draw.origin == i for draw in block]) for i, name in enumerate(ORIGINS)}
    expected = {"prior": 0.5, "preset": 0.1, "crossover": 0.2, "mutation": 0.2}
    assert share == pytest.approx(expected, abs=0.11)
    frozen = VITAL.frozen_continuous()
    for draw in block:
        VITAL.validate(draw.parameters)
        np.testing.assert_array_equal(draw.parameters.continuous[frozen], DEFAULTS.continuous[frozen])
        assert tier == 3 or (draw.parameters.route_index == -1).all()
        assert tier > 1 or not [n for n in SWITCHES if option(draw.parameters, n) and n not in VOICE]
        assert tier > 1 or not any(option(draw.parameters, choice) for choice in CATALOG_CHOICES)
        assert any(name in draw.name for name, _ in bank()) == (ORIGINS[draw.origin] != "prior")
    assert all(share.values())


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_of_peoples_presets_can_be_none_or_all(share):
    block = sample_block(VITAL, SamplingConfig(preset_share=share), 4, 0, 12, bank())
    assert {draw.origin == ORIGINS.index("prior") for draw in block} == {share == 0.0}


def test_an_unchanged_preset_is_the_persons_own():
    by_name = dict(bank())
    block = sample_block(VITAL, SamplingConfig(preset_share=1.0), 4, 0, 40, bank())
    unchanged = [draw for draw in block if ORIGINS[draw.origin] == "preset"]
    assert len(unchanged) > 3
    for draw in unchanged:
        assert_equal(draw.parameters, by_name[draw.name])


def test_a_crossover_takes_whole_modules():
    """Two parents that differ in every control and share no route."""
    ones = Parameters(
        np.ones_like(DEFAULTS.continuous),
        np.array([menu.n_options - 1 for menu in VITAL.categorical], np.int32),
        np.full(64, -1, np.int32),
        np.zeros((64, 4), np.float32),
    )
    zeros = Parameters(np.zeros_like(ones[0]), np.zeros_like(ones[1]), ones[2].copy(), ones[3].copy())
    wanted = ("osc_1_level", "osc_2_level", "filter_1_cutoff", "reverb_dry_wet", "lfo_1_frequency", "volume")
    destinations = [VITAL.destinations.index(name) for name in wanted]
    for parent, source in ((ones, "lfo_1"), (zeros, "env_2")):
        cells = VITAL.sources.index(source) * len(VITAL.destinations) + np.array(destinations)
        parent.route_index[: len(cells)], parent.route_value[: len(cells), 0] = cells, 0.5
    rng, taken = np.random.default_rng(0), collections.Counter()
    for _ in range(20):
        child = cross_modules(VITAL, zeros, ones, 0.5, rng)
        VITAL.validate(child)
        sides = collections.defaultdict(set)
        for name, value in zip(VITAL.continuous_names, child.continuous, strict=True):
            sides[VITAL.module(name)].add(float(value))
        for menu, index in zip(VITAL.categorical, child.categorical, strict=True):
            if menu.n_options > 1:
                assert index in (0, menu.n_options - 1)
                sides[VITAL.module(menu.name)].add(float(index > 0))
        assert all(len(values) == 1 for values in sides.values())
        assert sides["global"] == {0.0}  # the first parent's
        for module, values in sides.items():
            taken[module] += values == {1.0}
        expected = {("lfo_1" if sides[VITAL.module(name)] == {1.0} else "env_2", name) for name in wanted}
        assert set(routes(child)) == expected
        assert len(routes(child)) == len(wanted)
    assert all(0 < count < 20 for module, count in taken.items() if module != "global")


def routed(*found: tuple[str, str, float]) -> tuple[np.ndarray, np.ndarray]:
    """Route arrays with these (source, destination, amount) in slots 1, 2 ..."""
    index, value = DEFAULTS.route_index.copy(), DEFAULTS.route_value.copy()
    for slot, (source, destination, amount) in enumerate(found):
        index[slot] = VITAL.sources.index(source) * len(VITAL.destinations) + VITAL.destinations.index(destination)
        value[slot] = amount, slot % 2, 10 * amount, 1 - slot % 2
    return index, value


def modules_taken(child: Parameters) -> set[str]:
    """Modules that came from the second parent, whose knobs are all 1; the first parent's are all 0."""
    return {VITAL.module(name) for name, value in zip(VITAL.continuous_names, child.continuous, strict=True) if value}


def inherited(first: Parameters, second: Parameters, taken: set[str]) -> dict[tuple[str, ...], tuple[float, ...]]:
    """What a child should route: each path goes, whole, where the module of its last destination goes."""
    kept = {path: value for path, value in spelt_out(first).items() if VITAL.module(path[-1]) not in taken}
    return kept | {path: value for path, value in spelt_out(second).items() if VITAL.module(path[-1]) in taken}


def test_a_crossover_keeps_a_chain_with_its_target_and_drops_it_without():
    ours = (
        ("lfo_1", "osc_1_level", 0.1),
        ("macro_control_1", "modulation_1_amount", 0.2),
        ("env_2", "modulation_2_power", 0.3),  # a chain of two
        ("note", "filter_1_cutoff", 0.4),
        ("random_1", "modulation_4_amount", 0.5),
    )
    theirs = (
        ("lfo_2", "modulation_3_amount", 0.6),  # before its target
        ("env_3", "reverb_dry_wet", 0.7),
        ("lfo_1", "osc_1_level", -0.8),
    )
    first = Parameters(np.zeros_like(DEFAULTS.continuous), DEFAULTS.categorical, *routed(*ours))
    second = Parameters(np.ones_like(DEFAULTS.continuous), DEFAULTS.categorical, *routed(*theirs))
    rng, seen = np.random.default_rng(0), set()
    for _ in range(40):
        child = cross_modules(VITAL, first, second, 0.5, rng)
        VITAL.validate(child)
        taken = modules_taken(child)
        assert spelt_out(child) == inherited(first, second, taken)
        seen.add(("osc_1" in taken, "filter_1" in taken))
        chained = [path for path in spelt_out(child) if len(path) > 2]
        if "osc_1" in taken:
            assert ("lfo_2", "amount", "lfo_1", "osc_1_level") in chained
            assert not any(path[0] in ("macro_control_1", "env_2") for path in chained)
        else:
            assert ("env_2", "power", "macro_control_1", "amount", "lfo_1", "osc_1_level") in chained
            assert "lfo_2" not in (path[0] for path in chained)
    assert len(seen) == 4


def test_crossovers_of_drawn_sounds_inherit_their_routes_whole():
    ends = np.zeros_like(DEFAULTS.continuous), np.ones_like(DEFAULTS.continuous)
    chained = [parameters for parameters in draws(3, 400) if chains(parameters)]
    rng, n_chains = np.random.default_rng(1), 0
    for _ in range(60):
        parents = (chained[i] for i in rng.integers(len(chained), size=2))
        first, second = (parent._replace(continuous=end) for parent, end in zip(parents, ends, strict=True))
        child = cross_modules(VITAL, first, second, 0.5, rng)
        assert spelt_out(child) == inherited(first, second, modules_taken(child))
        n_chains += len(chains(child))
    assert n_chains > 30


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_crossover_of_nothing_or_everything(share):
    first, second = bank()[0][1], bank()[1][1]
    child = cross_modules(VITAL, first, second, share, np.random.default_rng(0))
    expected = second if share else first
    own = np.array([VITAL.module(name) != "global" for name in VITAL.continuous_names])
    np.testing.assert_array_equal(child.continuous[own], expected.continuous[own])
    np.testing.assert_array_equal(child.continuous[~own], first.continuous[~own])


def test_mutations_stay_in_range_and_near():
    """Parents at both ends of every range."""
    people = [("low", DEFAULTS._replace(continuous=np.zeros_like(DEFAULTS.continuous)))]
    people += [("high", DEFAULTS._replace(continuous=np.ones_like(DEFAULTS.continuous)))]
    block = sample_block(VITAL, SamplingConfig(preset_share=1.0), 5, 0, 40, people)
    mutations = [draw.parameters for draw in block if ORIGINS[draw.origin] == "mutation"]
    assert len(mutations) > 8
    integer = np.array([knob.integer for knob in VITAL.continuous])
    for parameters in mutations:
        VITAL.validate(parameters)
        parent = np.rint(np.median(parameters.continuous))
        distance = np.abs(parameters.continuous - parent)
        assert np.mean(distance < 0.1) > 0.5  # most modules are the parent's
        assert np.mean((distance > 0) & (distance < 0.1)) > 0.2  # and were moved a little
        played = VITAL.to_norm(VITAL.to_native(parameters.continuous))
        np.testing.assert_array_equal(parameters.continuous[integer], played[integer])


def test_macros_of_peoples_presets_are_turned_up_too():
    cell = VITAL.sources.index("macro_control_2") * len(VITAL.destinations) + VITAL.destinations.index("osc_1_level")
    person = VITAL.default_parameters()
    person.route_index[0], person.route_value[0, 0] = cell, 1.0
    block = sample_block(VITAL, SamplingConfig(preset_share=1.0), 5, 0, 10, [("macro", person)])
    first = VITAL.sources.index("macro_control_1") * len(VITAL.destinations) + VITAL.destinations.index("osc_1_level")
    routed = [draw.parameters for draw in block if first in draw.parameters.route_index]  # what is used comes first
    assert len(routed) > 5
    assert all(norm(parameters, "macro_control_1") >= 0.2 for parameters in routed)


def test_tempo_and_the_like_are_not_taken_from_people():
    knobs, menus = VITAL.frozen_continuous(), VITAL.frozen_categorical()
    person = VITAL.default_parameters()
    person.continuous[knobs] = 0.9
    person.categorical[menus] = [menu.n_options - 1 for menu in VITAL.categorical if menu.frozen]
    for draw in sample_block(VITAL, SamplingConfig(preset_share=1.0), 5, 0, 12, [("fast", person)]):
        np.testing.assert_array_equal(draw.parameters.continuous[knobs], DEFAULTS.continuous[knobs])
        np.testing.assert_array_equal(draw.parameters.categorical[menus], DEFAULTS.categorical[menus])


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_lfo_shapes_of_people_need_routes_to_be_heard(tier):
    person = DEFAULTS._replace(categorical=DEFAULTS.categorical.copy())
    person.categorical[[VITAL.position[name] for name in LFO_SHAPE_CHOICES]] = 7
    block = sample_block(VITAL, SamplingConfig(tier=tier, preset_share=1.0), 5, 0, 12, [("drawn", person)])
    found = {option(draw.parameters, name) for draw in block for name in LFO_SHAPE_CHOICES}
    assert found == {0} if tier < 3 else 7 in found


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_an_instrument_without_chains_and_shapes_is_sampled_too(tier):
    """As vjax knew Vital at first: no destination points at a slot, no LFO has a shape to choose."""
    plainer = dataclasses.replace(
        VITAL,
        categorical=tuple(menu for menu in VITAL.categorical if menu.name not in LFO_SHAPE_CHOICES),
        destinations=tuple(name for name in VITAL.destinations if not name.startswith("modulation_")),
    )
    fresh = [draw.parameters for draw in sample_block(plainer, SamplingConfig(tier=tier), 1, 0, 30)]
    people = [(f"person {i}", parameters) for i, parameters in enumerate(fresh[:5])]
    crossed = sample_block(plainer, SamplingConfig(tier=tier, preset_share=1.0), 2, 0, 30, people)
    for parameters in (*fresh, *(draw.parameters for draw in crossed)):
        plainer.validate(parameters)
        assert tier == 3 or (parameters.route_index == -1).all()
    assert tier < 3 or max((parameters.route_index >= 0).sum() for parameters in fresh) > 3


def test_the_hash_tells_presets_apart():
    first = bank()[0][1]
    same = Parameters(*(array.copy() for array in first))
    assert parameters_hash(first) == parameters_hash(same)
    hashes = {parameters_hash(first)}
    for field in Parameters._fields:
        changed = Parameters(*(array.copy() for array in first))
        getattr(changed, field).flat[-1] += 1
        hashes.add(parameters_hash(changed))
    assert len(hashes) == 5
    assert all(0 <= number < 2**63 for number in hashes)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"tier": 4}, "tier 4 does not exist"),
        ({"preset_share": 1.5}, r"preset_share=1\.5 must lie in \[0, 1\]"),
        ({"route_p": 0.0}, r"route_p=0\.0 must lie in \(0, 1\]"),
        ({"max_routes": 65}, "max_routes=65; Vital has 64 slots"),
    ],
)
def test_settings_that_cannot_be_are_refused(fields, message):
    with pytest.raises(ValueError, match=message):
        SamplingConfig(**fields)
