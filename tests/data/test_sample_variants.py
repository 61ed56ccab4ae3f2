"""Tests of variants: they share what the engine must load, differ in the rest, and sound as their stored labels."""

import json

import numpy as np
import pytest

from vjax.audio.distances import mss
from vjax.data.sample_variants import draw_spare_tables, draw_variant, vary_amounts, without_idle_routes
from vjax.data.sampling import ORIGINS, SampledPreset, parameters_hash, sample_block, sample_group
from vjax.data.sampling_config import SamplingConfig
from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.sound.schema import CATALOG_CHOICES, WAVETABLE_CHOICES
from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.vocabulary import from_parameters

VOCABULARY = default_vocabulary()
SCHEMA = VOCABULARY.schema()
TABLES = [SCHEMA.position[name] for name in WAVETABLE_CHOICES]
VARIANTS = 4


@pytest.fixture(scope="module")
def block() -> list[SampledPreset]:
    return sample_block(SCHEMA, SamplingConfig(variants=VARIANTS), seed=2, block=0, size=3 * VARIANTS)


def groups(block):
    return [block[i : i + VARIANTS] for i in range(0, len(block), VARIANTS)]


def loaded_part(sampled: SampledPreset) -> str:
    """Everything in the preset as it is played that the engine has to load."""
    settings = from_parameters(sampled.played, SCHEMA, VOCABULARY, name="")["settings"]
    return json.dumps({name: value for name, value in settings.items() if name not in synth.control_ranges()})


def test_sample_block_with_variants_shares_in_each_group_what_must_be_loaded(block):
    parts = [{loaded_part(sampled) for sampled in group} for group in groups(block)]
    assert [len(part) for part in parts] == [1, 1, 1]
    assert len(set.union(*parts)) == 3


def test_sample_block_with_variants_gives_each_group_one_identity(block):
    for group in groups(block):
        assert {sampled.identity for sampled in group} == {parameters_hash(group[0].parameters)}
        assert [ORIGINS[sampled.origin] for sampled in group[1:]] == ["variant"] * (VARIANTS - 1)
    assert len({parameters_hash(sampled.parameters) for sampled in block}) == len(block)


def test_sample_group_draws_a_group_of_a_block_again(block):
    again = sample_group(SCHEMA, SamplingConfig(variants=VARIANTS), seed=2, block=0, group=1)
    for one, other in zip(groups(block)[1], again, strict=True):
        assert (one.name, one.identity, one.origin) == (other.name, other.identity, other.origin)
        for a, b in zip((*one.parameters, *one.played), (*other.parameters, *other.played), strict=True):
            np.testing.assert_array_equal(a, b)


def test_sample_block_with_variants_changes_many_controls(block):
    for group in groups(block):
        first = group[0].parameters
        changed = [np.count_nonzero(other.parameters.continuous != first.continuous) for other in group[1:]]
        assert min(changed) > 5


def test_sample_block_with_variants_returns_valid_labels_without_idle_routes(block):
    for sampled in block:
        SCHEMA.validate(sampled.parameters)
        used = sampled.parameters.route_index >= 0
        assert (sampled.parameters.route_value[used, 0] != 0).all()


def test_sample_block_with_variants_sounds_as_its_labels():
    """The label has modules and routes in another order. Without random phases, the sounds are nearly equal."""
    block = sample_block(SCHEMA, SamplingConfig(variants=6), seed=4, block=0, size=6)
    phases = [SCHEMA.position[f"osc_{n}_random_phase"] for n in (1, 2, 3)]
    jobs = []
    for sampled in block:
        for parameters in (sampled.played, sampled.parameters):
            continuous = parameters.continuous.copy()
            continuous[phases] = 0
            still = parameters._replace(continuous=continuous)
            jobs.append(RenderJob(from_parameters(still, SCHEMA, VOCABULARY, name=""), (60,)))
    with RenderPool(RenderConfig(seconds=1.0, note_s=0.7)) as pool:
        audio = [rendering.audio[0] for rendering in pool.map(jobs)]
    pairs = [(a, b) for a, b in zip(audio[::2], audio[1::2], strict=True) if np.abs(a).max() > 1e-3]
    assert len(pairs) >= 3
    assert np.median([float(mss(a, b)) for a, b in pairs]) < 0.5


def test_draw_spare_tables_changes_only_tables_of_oscillators_that_are_off(block):
    first = block[0].parameters._replace(categorical=block[0].parameters.categorical.copy())
    first.categorical[SCHEMA.position["osc_3_on"]] = 0
    changed = [draw_spare_tables(SCHEMA, 3, first, np.random.default_rng(seed)).categorical for seed in range(20)]
    off = [t for n, t in zip((1, 2, 3), TABLES, strict=True) if not first.categorical[SCHEMA.position[f"osc_{n}_on"]]]
    assert set(np.flatnonzero((np.array(changed) != first.categorical).any(0))) == set(off)
    assert TABLES[2] in off
    same = draw_spare_tables(SCHEMA, 1, first, np.random.default_rng(0))
    np.testing.assert_array_equal(same.categorical, first.categorical)


def test_draw_variant_keeps_tables_shapes_and_connections(block):
    base, other = block[0].played, block[VARIANTS].parameters
    variant = draw_variant(SCHEMA, 3, base, other, np.random.default_rng(0))
    loaded = [SCHEMA.position[name] for name in CATALOG_CHOICES]
    np.testing.assert_array_equal(variant.categorical[loaded], base.categorical[loaded])
    np.testing.assert_array_equal(variant.route_index, base.route_index)


def test_vary_amounts_turns_a_quarter_off_and_draws_a_half_again():
    index = np.arange(64, dtype=np.int32)
    value = np.tile(np.float32([0.5, 0, 0, 0]), (64, 1))
    amounts = np.array([vary_amounts(index, value, np.random.default_rng(seed))[:, 0] for seed in range(50)])
    assert np.mean(amounts == 0) == pytest.approx(0.25, abs=0.03)
    assert np.mean((amounts != 0) & (amounts != 0.5)) == pytest.approx(0.5, abs=0.03)
    assert not vary_amounts(np.full(64, -1, np.int32), value, np.random.default_rng(0)).any()


def test_without_idle_routes_leaves_out_routes_at_0_and_those_that_point_at_them():
    source, n = SCHEMA.sources.index("lfo_1"), len(SCHEMA.destinations)
    cells = [SCHEMA.destinations.index(name) for name in ("osc_1_level", "osc_2_level", "modulation_1_amount")]
    base = SCHEMA.default_parameters()
    base.route_index[:3] = source * n + np.array(cells)
    base.route_value[:3, 0] = [0.0, 0.5, 1.0]
    kept = without_idle_routes(SCHEMA, base)
    assert kept.route_index[kept.route_index >= 0].tolist() == [source * n + cells[1]]
    assert kept.route_value[0, 0] == 0.5
