"""Tests of sampled presets: reproducible, spread as a Latin hypercube, restricted by tier, and crossed by module.

Some routes point at other routes (`modulation_N_amount`). These tests call them chains.
"""

import collections
import dataclasses
import functools
import os
import subprocess
import sys

import numpy as np
import pytest

from vjax.data.sample_modules import cross_modules
from vjax.data.sampling import ORIGINS, parameters_hash, sample_block
from vjax.data.sampling_config import SamplingConfig
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


def without_chains(names: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [pair for pair in names if not pair[1].startswith("modulation_")]


def values_by_path(parameters: Parameters) -> dict[tuple[str, ...], tuple[float, ...]]:
    """Returns the four values of each route by its path: source, kind of each route in between, last destination.

    `("macro_control_1", "amount", "lfo_1", "osc_1_level")` is a chain. A path does not contain slot numbers.
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


def test_sample_block_with_the_same_arguments_draws_the_same_presets():
    first, again = (sample_block(VITAL, SamplingConfig(), 7, 2, 5, bank()) for _ in range(2))
    for a, b in zip(first, again, strict=True):
        assert_equal(a.parameters, b.parameters)
        assert (a.origin, a.name) == (b.origin, b.name)


def test_sample_block_with_other_seeds_or_blocks_draws_other_presets():
    blocks = [sample_block(VITAL, SamplingConfig(), seed, block, 4) for seed, block in ((7, 2), (7, 3), (8, 2))]
    hashes = [parameters_hash(draw.parameters) for block in blocks for draw in block]
    assert len(set(hashes)) == 12
    assert len({draw.name for block in blocks for draw in block}) == 12


_OTHER_PROCESS = """
from vjax.engine.schema import engine_schema
from vjax.data.sampling import *
schema = engine_schema(n_wavetables=24, n_lfo_shapes=20)
people = [(f"person {i}", d.parameters) for i, d in enumerate(sample_block(schema, SamplingConfig(), 99, 0, 6))]
print([(parameters_hash(d.parameters), d.name) for d in sample_block(schema, SamplingConfig(), 7, 2, 40, people)])
"""


def test_sample_block_in_another_process_draws_the_same_presets():
    """Python may order sets differently in each process."""
    environment = os.environ | {"PYTHONHASHSEED": "12345"}
    found = subprocess.run(
        [sys.executable, "-c", _OTHER_PROCESS], env=environment, check=True, capture_output=True, text=True
    ).stdout
    here = [(parameters_hash(d.parameters), d.name) for d in sample_block(VITAL, SamplingConfig(), 7, 2, 40, bank())]
    assert found.strip() == str(here)


def is_always_audible(name: str) -> bool:
    """Whether every sound uses the knob, so that the drawn value is never replaced by the default."""
    knob = VITAL.continuous[VITAL.position[name]]
    module = VITAL.module(name)
    global_knob = module == "global" and not name.startswith(("macro", "effect"))
    return (global_knob or module == "env_1") and not knob.frozen and not knob.integer


def test_sample_block_draws_once_from_each_stratum():
    """Each of N equally probable strata has one draw: the k-th largest value lies in the k-th stratum from the top.

    Below 1 - share, a knob keeps its default. Above, its value is a quantile of people's presets, within limits.
    """
    usage, names = load_usage(), [name for name in VITAL.continuous_names if is_always_audible(name)]
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


def test_sample_block_keeps_parameters_in_plausible_ranges():
    for parameters in draws(2):
        assert 0.45 <= norm(parameters, "volume") <= 0.75
        assert norm(parameters, "env_1_attack") <= 0.42
        assert norm(parameters, "env_1_delay") <= 0.3
        assert norm(parameters, "osc_1_level") >= 0.25


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_sample_block_draws_valid_presets_with_an_oscillator(tier):
    for parameters in draws(tier):
        VITAL.validate(parameters)
        assert any(option(parameters, f"osc_{i}_on") for i in (1, 2, 3))
        assert [array.dtype for array in parameters] == [array.dtype for array in DEFAULTS]


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_sample_block_keeps_frozen_parameters_at_their_default(tier):
    for parameters in draws(tier):
        knobs, menus = VITAL.frozen_continuous(), VITAL.frozen_categorical()
        np.testing.assert_array_equal(parameters.continuous[knobs], DEFAULTS.continuous[knobs])
        np.testing.assert_array_equal(parameters.categorical[menus], DEFAULTS.categorical[menus])


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_sample_block_keeps_parameters_of_modules_that_are_off_at_their_default(tier):
    """Random values of inaudible knobs and menus would be noise in the labels."""
    for parameters in draws(tier):
        on = audible(audibility_rules(VITAL), parameters.continuous, parameters.categorical, parts=("modules",))
        for field in ("continuous", "categorical"):
            off = ~getattr(on, field)
            assert off.any()
            np.testing.assert_array_equal(getattr(parameters, field)[off], getattr(DEFAULTS, field)[off])


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_sample_block_rounds_integer_parameters_as_the_engine_does(tier):
    integer = np.array([knob.integer for knob in VITAL.continuous])
    for parameters in draws(tier):
        played = VITAL.to_norm(VITAL.to_native(parameters.continuous))
        np.testing.assert_array_equal(parameters.continuous[integer], played[integer])


def test_sample_block_at_tier_1_draws_no_effects_wavetables_or_routes():
    static = [i for i, name in enumerate(VITAL.continuous_names) if name.startswith(("lfo", "random", "effect"))]
    for parameters in draws(1):
        assert not [name for name in SWITCHES if option(parameters, name) and name not in VOICE]
        assert not any(option(parameters, choice) for choice in CATALOG_CHOICES)
        assert (parameters.route_index == -1).all()
        np.testing.assert_array_equal(parameters.continuous[static], DEFAULTS.continuous[static])
    assert len({tuple(option(parameters, name) for name in VOICE) for parameters in draws(1)}) > 8


def test_sample_block_at_tier_2_draws_all_modules_and_no_routes():
    used = collections.Counter(name for parameters in draws(2) for name in SWITCHES if option(parameters, name))
    assert len(used) > len(VOICE) + 7
    shares = {name: counts[1] / sum(counts) for name, counts in load_usage()["options"].items() if name in SWITCHES}
    oscillators = [name for name in SWITCHES if name.startswith("osc_")]
    for name in set(SWITCHES) - set(oscillators):
        assert used[name] / N == pytest.approx(shares[name], abs=0.15), name
    # Oscillators that are on come first, so only the number of active oscillators follows people's presets.
    assert sum(used[n] for n in oscillators) / N == pytest.approx(sum(shares[n] for n in oscillators), abs=0.3)
    assert len({option(p, "osc_1_wavetable") for p in draws(2) if option(p, "osc_1_on")}) > 20
    routed = [i for i, name in enumerate(VITAL.continuous_names) if name.startswith(("lfo", "random", "env_2"))]
    for parameters in draws(2):
        assert (parameters.route_index == -1).all()
        assert not parameters.route_value.any()
        assert not any(option(parameters, choice) for choice in LFO_SHAPE_CHOICES)
        np.testing.assert_array_equal(parameters.continuous[routed], DEFAULTS.continuous[routed])


@pytest.mark.slow
def test_sample_block_at_tier_3_draws_geometric_route_counts():
    """min(Geometric(0.15) - 1, 20) has mean 0.85 (1 - 0.85^20) / 0.15 = 5.45; 15 % are 0 and 3.9 % are 20."""
    counts = np.array([len(routes(parameters)) for parameters in draws(3, 400)])
    assert counts.max() == 20
    assert counts.mean() == pytest.approx(0.85 * (1 - 0.85**20) / 0.15, abs=0.6)
    assert np.mean(counts == 0) == pytest.approx(0.15, abs=0.04)
    assert np.mean(counts == 20) == pytest.approx(0.85**20, abs=0.025)


def test_sample_block_with_route_settings_follows_them():
    none = sample_block(VITAL, SamplingConfig(max_routes=0), 0, 0, 8)
    assert not any(routes(draw.parameters) for draw in none)
    many = sample_block(VITAL, SamplingConfig(route_p=0.01, max_routes=40), 0, 0, 8)
    counts = [len(routes(draw.parameters)) for draw in many]
    assert max(counts) == 40
    assert sum(counts) > 160


def test_sample_block_routes_each_pair_once_and_only_active_modules():
    for parameters in draws(3, 400):
        found = routes(parameters)
        assert len(set(found)) == len(found)
        sources = {source for source, _ in found}
        for source, destination in without_chains(found):
            assert not destination.startswith("macro_control_")
            assert source not in ("aftertouch", "lift", "mod_wheel", "pitch_wheel", "slide")
            module = VITAL.module(destination)
            if f"{module}_on" in SWITCHES:
                assert option(parameters, f"{module}_on"), destination
            if module.startswith(("lfo", "random")) or module in ("env_2", "env_3", "env_4", "env_5", "env_6"):
                assert module in sources, destination  # an LFO without a route is inaudible


def test_sample_block_draws_route_chains_as_often_as_people_use_them():
    """Every route but the first may be a chain. It points at the amount of a used route that is not a chain."""
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


def test_sample_block_returns_routes_in_canonical_order():
    """Slot numbers have no meaning, so equal sets of routes have equal arrays, for every origin."""
    crossed = sample_block(VITAL, SamplingConfig(preset_share=1.0), 6, 0, 60, bank())
    assert {ORIGINS[draw.origin] for draw in crossed} == {"preset", "crossover", "mutation"}
    for parameters in (*draws(3, 400), *(draw.parameters for draw in crossed)):
        index, value = canonical_slots(parameters.route_index, parameters.route_value, VITAL)
        np.testing.assert_array_equal(index, parameters.route_index)
        np.testing.assert_array_equal(value, parameters.route_value)


def test_sample_block_draws_shapes_only_for_lfos_in_use():
    """A share of the used LFOs keeps the plain shape. The others choose evenly among all shapes, the plain one too."""
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


def test_sample_block_draws_routes_with_the_frequencies_of_people():
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


def test_sample_block_raises_macros_that_have_routes():
    raised = 0
    for parameters in draws(3, 400):
        for source in {source for source, _ in routes(parameters)}:
            if source.startswith("macro_control"):
                assert norm(parameters, source) >= 0.2
                raised += 1
    assert raised > 100


def test_sample_block_changes_modulators_only_if_they_have_routes():
    changed = collections.Counter()
    for parameters in draws(3, 400):
        sources = {source for source, _ in routes(parameters)}
        for name in ("lfo_1_frequency", "lfo_1_smooth_time", "env_2_decay", "env_2_sustain"):
            moved = norm(parameters, name) != DEFAULTS.continuous[VITAL.position[name]]
            assert VITAL.module(name) in sources or not moved
            changed[name] += moved
    assert min(changed.values()) > 5


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_sample_block_with_a_bank_draws_origins_with_the_configured_shares(tier):
    """Half come from the bank. Of these, a fifth is unchanged, two fifths are crossed, two fifths are mutated."""
    block = sample_block(VITAL, SamplingConfig(tier=tier), 4, 0, 160, bank())
    share = {name: np.mean([draw.origin == i for draw in block]) for i, name in enumerate(ORIGINS)}
    expected = {"prior": 0.5, "preset": 0.1, "crossover": 0.2, "mutation": 0.2, "variant": 0.0}
    assert share == pytest.approx(expected, abs=0.11)
    frozen = VITAL.frozen_continuous()
    for draw in block:
        VITAL.validate(draw.parameters)
        np.testing.assert_array_equal(draw.parameters.continuous[frozen], DEFAULTS.continuous[frozen])
        assert tier == 3 or (draw.parameters.route_index == -1).all()
        assert tier > 1 or not [n for n in SWITCHES if option(draw.parameters, n) and n not in VOICE]
        assert tier > 1 or not any(option(draw.parameters, choice) for choice in CATALOG_CHOICES)
        assert any(name in draw.name for name, _ in bank()) == (ORIGINS[draw.origin] != "prior")
    assert all(share[name] for name in ORIGINS if name != "variant")


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_sample_block_with_preset_share_0_or_1_draws_one_kind_only(share):
    block = sample_block(VITAL, SamplingConfig(preset_share=share), 4, 0, 12, bank())
    assert {draw.origin == ORIGINS.index("prior") for draw in block} == {share == 0.0}


def test_sample_block_of_origin_preset_returns_the_bank_preset_unchanged():
    by_name = dict(bank())
    block = sample_block(VITAL, SamplingConfig(preset_share=1.0), 4, 0, 40, bank())
    unchanged = [draw for draw in block if ORIGINS[draw.origin] == "preset"]
    assert len(unchanged) > 3
    for draw in unchanged:
        assert_equal(draw.parameters, by_name[draw.name])


def test_cross_modules_takes_whole_modules_from_one_parent():
    """The parents differ in every control and have no route in common."""
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
    """Returns route arrays with these (source, destination, amount) in slots 1, 2 ..."""
    index, value = DEFAULTS.route_index.copy(), DEFAULTS.route_value.copy()
    for slot, (source, destination, amount) in enumerate(found):
        index[slot] = VITAL.sources.index(source) * len(VITAL.destinations) + VITAL.destinations.index(destination)
        value[slot] = amount, slot % 2, 10 * amount, 1 - slot % 2
    return index, value


def modules_taken(child: Parameters) -> set[str]:
    """Returns the modules of the second parent, whose knobs are all 1. The knobs of the first parent are all 0."""
    return {VITAL.module(name) for name, value in zip(VITAL.continuous_names, child.continuous, strict=True) if value}


def inherited(first: Parameters, second: Parameters, taken: set[str]) -> dict[tuple[str, ...], tuple[float, ...]]:
    """Returns the expected routes of a child. A whole path goes with the module of its last destination."""
    kept = {path: value for path, value in values_by_path(first).items() if VITAL.module(path[-1]) not in taken}
    return kept | {path: value for path, value in values_by_path(second).items() if VITAL.module(path[-1]) in taken}


def test_cross_modules_keeps_a_route_chain_only_with_its_target():
    first_routes = (
        ("lfo_1", "osc_1_level", 0.1),
        ("macro_control_1", "modulation_1_amount", 0.2),
        ("env_2", "modulation_2_power", 0.3),  # a chain of two
        ("note", "filter_1_cutoff", 0.4),
        ("random_1", "modulation_4_amount", 0.5),
    )
    second_routes = (
        ("lfo_2", "modulation_3_amount", 0.6),  # before its target
        ("env_3", "reverb_dry_wet", 0.7),
        ("lfo_1", "osc_1_level", -0.8),
    )
    first = Parameters(np.zeros_like(DEFAULTS.continuous), DEFAULTS.categorical, *routed(*first_routes))
    second = Parameters(np.ones_like(DEFAULTS.continuous), DEFAULTS.categorical, *routed(*second_routes))
    rng, seen = np.random.default_rng(0), set()
    for _ in range(40):
        child = cross_modules(VITAL, first, second, 0.5, rng)
        VITAL.validate(child)
        taken = modules_taken(child)
        assert values_by_path(child) == inherited(first, second, taken)
        seen.add(("osc_1" in taken, "filter_1" in taken))
        chained = [path for path in values_by_path(child) if len(path) > 2]
        if "osc_1" in taken:
            assert ("lfo_2", "amount", "lfo_1", "osc_1_level") in chained
            assert not any(path[0] in ("macro_control_1", "env_2") for path in chained)
        else:
            assert ("env_2", "power", "macro_control_1", "amount", "lfo_1", "osc_1_level") in chained
            assert "lfo_2" not in (path[0] for path in chained)
    assert len(seen) == 4


def test_cross_modules_of_sampled_presets_keeps_whole_route_chains():
    ends = np.zeros_like(DEFAULTS.continuous), np.ones_like(DEFAULTS.continuous)
    chained = [parameters for parameters in draws(3, 400) if chains(parameters)]
    rng, n_chains = np.random.default_rng(1), 0
    for _ in range(60):
        parents = (chained[i] for i in rng.integers(len(chained), size=2))
        first, second = (parent._replace(continuous=end) for parent, end in zip(parents, ends, strict=True))
        child = cross_modules(VITAL, first, second, 0.5, rng)
        assert values_by_path(child) == inherited(first, second, modules_taken(child))
        n_chains += len(chains(child))
    assert n_chains > 30


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_cross_modules_with_share_0_or_1_returns_one_parent(share):
    first, second = bank()[0][1], bank()[1][1]
    child = cross_modules(VITAL, first, second, share, np.random.default_rng(0))
    expected = second if share else first
    in_module = np.array([VITAL.module(name) != "global" for name in VITAL.continuous_names])
    np.testing.assert_array_equal(child.continuous[in_module], expected.continuous[in_module])
    np.testing.assert_array_equal(child.continuous[~in_module], first.continuous[~in_module])


def test_sample_block_of_origin_mutation_stays_in_range_and_near_its_parent():
    """The knobs of one parent are at the lower ends of their ranges, those of the other at the upper ends."""
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
        assert np.mean(distance < 0.1) > 0.5  # most modules come from the parent
        assert np.mean((distance > 0) & (distance < 0.1)) > 0.2  # and have small changes
        played = VITAL.to_norm(VITAL.to_native(parameters.continuous))
        np.testing.assert_array_equal(parameters.continuous[integer], played[integer])


def test_sample_block_from_a_bank_raises_macros_that_have_routes():
    cell = VITAL.sources.index("macro_control_2") * len(VITAL.destinations) + VITAL.destinations.index("osc_1_level")
    person = VITAL.default_parameters()
    person.route_index[0], person.route_value[0, 0] = cell, 1.0
    block = sample_block(VITAL, SamplingConfig(preset_share=1.0), 5, 0, 10, [("macro", person)])
    first = VITAL.sources.index("macro_control_1") * len(VITAL.destinations) + VITAL.destinations.index("osc_1_level")
    routed = [draw.parameters for draw in block if first in draw.parameters.route_index]  # the canonical order
    assert len(routed) > 5
    assert all(norm(parameters, "macro_control_1") >= 0.2 for parameters in routed)


def test_sample_block_from_a_bank_resets_frozen_parameters():
    knobs, menus = VITAL.frozen_continuous(), VITAL.frozen_categorical()
    person = VITAL.default_parameters()
    person.continuous[knobs] = 0.9
    person.categorical[menus] = [menu.n_options - 1 for menu in VITAL.categorical if menu.frozen]
    for draw in sample_block(VITAL, SamplingConfig(preset_share=1.0), 5, 0, 12, [("fast", person)]):
        np.testing.assert_array_equal(draw.parameters.continuous[knobs], DEFAULTS.continuous[knobs])
        np.testing.assert_array_equal(draw.parameters.categorical[menus], DEFAULTS.categorical[menus])


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_sample_block_from_a_bank_below_tier_3_resets_lfo_shapes(tier):
    person = DEFAULTS._replace(categorical=DEFAULTS.categorical.copy())
    person.categorical[[VITAL.position[name] for name in LFO_SHAPE_CHOICES]] = 7
    block = sample_block(VITAL, SamplingConfig(tier=tier, preset_share=1.0), 5, 0, 12, [("drawn", person)])
    found = {option(draw.parameters, name) for draw in block for name in LFO_SHAPE_CHOICES}
    assert found == {0} if tier < 3 else 7 in found


@pytest.mark.parametrize("tier", [1, 2, 3])
def test_sample_block_with_a_schema_without_chains_and_shapes_draws_valid_presets(tier):
    """The schema of early datasets: its destinations do not contain slots, and its LFOs have no shapes."""
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


def test_parameters_hash_of_changed_presets_differs():
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
