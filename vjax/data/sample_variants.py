"""Variants of a preset: sounds that share its wavetables, LFO shapes and connections, so that the engine loads once.

Whole modules of a variant come from another draw: an oscillator without its table, a filter, an envelope, an effect.
Some routes have other amounts, and some are off (amount 0). Nothing else differs between variants, so control values
are all that the engine has to change (`vjax.engine.in_turn`).
"""

import numpy as np

from vjax.data.sample_modules import cross_modules, live_controls, raise_macros
from vjax.data.sample_routes import draw_amounts, routed_sources
from vjax.sound.schema import CATALOG_CHOICES, N_OSCILLATORS, WAVETABLE_CHOICES, Parameters, Schema
from vjax.sound.slots import merge_slots

_MODULES_CROSSED = 0.5
_ROUTES_OFF = 0.25
_ROUTES_DRAWN_AGAIN = 0.5


def draw_spare_tables(schema: Schema, tier: int, base: Parameters, rng: np.random.Generator) -> Parameters:
    """Returns the first variant of a group with random wavetables in the oscillators that are off.

    The sound is the same. Other variants may turn these oscillators on.
    """
    categorical = base.categorical.copy()
    for n, table in zip(range(1, N_OSCILLATORS + 1), WAVETABLE_CHOICES, strict=True):
        position = schema.position[table]
        if tier >= 2 and not categorical[schema.position[f"osc_{n}_on"]]:
            categorical[position] = rng.integers(schema.option_counts[position])
    return base._replace(categorical=categorical)


def draw_variant(
    schema: Schema, tier: int, base: Parameters, other: Parameters, rng: np.random.Generator
) -> Parameters:
    """Crosses the first variant of a group with another draw, except for tables, LFO shapes and connections."""
    crossed = cross_modules(schema, base, other, _MODULES_CROSSED, rng)
    loaded = np.array([name in CATALOG_CHOICES for name in schema.categorical_names])
    categorical = np.where(loaded, base.categorical, crossed.categorical)
    sources = routed_sources(schema, base.route_index)
    knobs_live, menus_live = live_controls(schema, tier, crossed.continuous, categorical, sources)
    defaults = schema.default_parameters()
    variant = Parameters(
        np.where(knobs_live, crossed.continuous, defaults.continuous),
        np.where(menus_live | loaded, categorical, defaults.categorical),
        base.route_index,
        vary_amounts(base.route_index, base.route_value, rng),
    )
    return raise_macros(schema, variant, rng)


def vary_amounts(route_index: np.ndarray, route_value: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Returns route values [64, 4] in which some routes are off, and others have newly drawn values."""
    chance = rng.random(len(route_index))
    values = np.where((chance > 1 - _ROUTES_DRAWN_AGAIN)[:, None], draw_amounts(len(chance), rng), route_value)
    off = (chance < _ROUTES_OFF) | (route_index < 0)
    return np.where(off[:, None], 0.0, values).astype(np.float32)


def without_idle_routes(schema: Schema, parameters: Parameters) -> Parameters:
    """Leaves out the routes with amount 0, and those that point at them. The sound is the same."""
    keep = parameters.route_value[:, 0] != 0
    routes = merge_slots([parameters[2:]], schema, keep=[keep])
    return Parameters(parameters.continuous, parameters.categorical, *routes)
