"""Tests of vjax.sound.module_order: any renumbering of a sound gets one order, and renders the same."""

from pathlib import Path

import numpy as np
import pytest

from vjax.sound.module_order import FAMILIES, canonical_order, members, renumbered
from vjax.sound.schema import Parameters

PRESETS = Path(__file__).parents[1] / "data" / "presets"


@pytest.fixture(scope="module")
def instrument():
    from vjax.vital.default_vocabulary import default_vocabulary

    return default_vocabulary().schema()


@pytest.fixture(scope="module")
def draws(instrument):
    from vjax.data.sampling import sample_block
    from vjax.data.sampling_config import SamplingConfig

    return [draw.parameters for draw in sample_block(instrument, SamplingConfig(), seed=3, block=1, size=24)]


def _equal(a: Parameters, b: Parameters) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def _shuffled(parameters: Parameters, schema, rng: np.random.Generator, families=FAMILIES) -> Parameters:
    orders = {family: rng.permutation(members(schema, family)).tolist() for family in families}
    return renumbered(parameters, schema, orders)


def test_members_of_vital(instrument):
    assert members(instrument, "osc") == (1, 2, 3)
    assert members(instrument, "lfo") == tuple(range(1, 9))
    assert members(instrument, "env") == (2, 3, 4, 5, 6)
    assert members(instrument, "random") == members(instrument, "macro_control") == (1, 2, 3, 4)


def test_renumbered_swap_moves_all_controls_of_a_module(instrument, draws):
    swap = {"lfo": [2, 1, *range(3, 9)]}
    swapped = renumbered(draws[0], instrument, swap)
    for name in ("lfo_1_frequency", "lfo_1_phase", "lfo_1_shape", "lfo_1_sync"):
        twin = name.replace("lfo_1", "lfo_2")
        vector = 0 if name in instrument.continuous_names else 1
        assert swapped[vector][instrument.position[name]] == draws[0][vector][instrument.position[twin]]
    assert _equal(renumbered(swapped, instrument, swap), draws[0])


def test_renumbered_with_an_order_that_is_not_a_permutation_raises(instrument, draws):
    with pytest.raises(ValueError, match=r"order \(1, 1, 2\) of osc is not a permutation of its numbers \(1, 2, 3\)"):
        renumbered(draws[0], instrument, {"osc": [1, 1, 2]})


def test_canonical_order_of_renumbered_sources_is_the_same(instrument, draws):
    rng = np.random.default_rng(0)
    routed = [p for p in draws if (p.route_index >= 0).any()]
    assert len(routed) > 5
    for parameters in routed:
        once = canonical_order(parameters, instrument)
        assert _equal(once, parameters)  # the sampler returns them in this order
        again = canonical_order(_shuffled(parameters, instrument, rng, ("random", "macro_control")), instrument)
        # Sources without a route are inaudible, and may differ: compare only the routes.
        assert np.array_equal(again.route_index, once.route_index)
        assert np.array_equal(again.route_value, once.route_value)


def routed_sources(instrument, parameters):
    cells = parameters.route_index[parameters.route_index >= 0]
    return {instrument.sources[cell // len(instrument.destinations)] for cell in cells}


def test_canonical_order_puts_used_sources_and_low_oscillators_first(instrument, draws):
    rng = np.random.default_rng(1)
    for parameters in draws:
        ordered = canonical_order(_shuffled(parameters, instrument, rng), instrument)
        used = routed_sources(instrument, ordered)
        for family in FAMILIES[1:]:
            flags = [f"{family}_{n}" in used for n in members(instrument, family)]
            assert flags == sorted(flags, reverse=True)
    at = [instrument.position[f"osc_{n}_transpose"] for n in (1, 2, 3)]
    switches = [instrument.position[f"osc_{n}_on"] for n in (1, 2, 3)]
    plain = draws[0]
    plain.categorical[switches] = 1
    plain.categorical[[instrument.position[f"osc_{n}_distortion_type"] for n in (1, 2, 3)]] = 0
    plain.continuous[at] = [0.75, 0.25, 0.5]
    assert canonical_order(plain, instrument).continuous[at].tolist() == [0.25, 0.5, 0.75]
    plain.categorical[switches[1]] = 0
    ordered = canonical_order(plain, instrument)
    assert ordered.continuous[at].tolist() == [0.5, 0.75, 0.5]  # the last is off, and at its default
    assert ordered.categorical[switches].tolist() == [1, 1, 0]


def test_canonical_order_keeps_oscillators_that_modulate_each_other(instrument, draws):
    menu = instrument.categorical[instrument.position["osc_3_distortion_type"]]
    fm = next(i for i in range(menu.n_options) if menu.label(i).endswith("<- Osc"))
    parameters = draws[0]
    parameters.categorical[[instrument.position[f"osc_{n}_on"] for n in (1, 2, 3)]] = 1
    parameters.categorical[instrument.position["osc_3_distortion_type"]] = fm
    at = [instrument.position[f"osc_{n}_transpose"] for n in (1, 2, 3)]
    parameters.continuous[at] = [0.75, 0.25, 0.5]
    assert canonical_order(parameters, instrument).continuous[at].tolist() == [0.75, 0.25, 0.5]


def test_canonical_order_renders_the_same_bits(instrument):
    """Musicians' presets with the random phases off: their renders in canonical order are bit-equal."""
    from vjax.engine.config import RenderConfig
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.vital.default_vocabulary import default_vocabulary
    from vjax.vital.preset import read_preset
    from vjax.vital.vocabulary import from_parameters, to_parameters

    vocabulary, rng, moved = default_vocabulary(), np.random.default_rng(2), 0
    with RenderPool(RenderConfig(seconds=0.4, note_s=0.3), workers=2) as pool:
        for path in sorted(PRESETS.glob("*.vital")):
            parameters, _ = to_parameters(read_preset(path), instrument, vocabulary, stand_in=False)
            for n in (1, 2, 3):
                parameters.continuous[instrument.position[f"osc_{n}_random_phase"]] = 0
            random = {name for name in routed_sources(instrument, parameters) if name.startswith("random")}
            shuffled = _shuffled(parameters, instrument, rng, ("lfo", "env", "macro_control"))
            ordered = canonical_order(shuffled, instrument)
            moved += not _equal(shuffled, ordered)
            sounds = [
                pool.render(RenderJob(from_parameters(p, instrument, vocabulary), (48,))).audio
                for p in (parameters, shuffled, ordered)
            ]
            if not random:
                assert np.array_equal(sounds[0], sounds[1])
                assert np.array_equal(sounds[0], sounds[2])
    assert moved
