"""Samples presets to learn from: seeded draws from a prior that follows people's presets, and crossovers of real ones.

The tiers are those of the report:

- 1: static oscillators, filters and the amplitude envelope.
- 2: also effects, the noise oscillator and wavetables.
- 3: also modulation routes and everything that they make audible.
"""

import functools
import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from vjax.data.sample_modules import TIER_1_SWITCHES, cross_modules, live_controls, raise_macros, restrict_to_tier
from vjax.data.sample_routes import draw_routes, routed_sources
from vjax.data.sample_variants import draw_spare_tables, draw_variant, without_idle_routes
from vjax.data.sampling_config import LEAST_COUNT, SamplingConfig
from vjax.data.usage import QUANTILES, kind, load_usage
from vjax.sound.module_order import canonical_order
from vjax.sound.schema import CATALOG_CHOICES, LFO_SHAPE_CHOICES, N_OSCILLATORS, Parameters, Schema

ORIGINS = ("prior", "preset", "crossover", "mutation", "variant")
"""Where a sound comes from; stored in `metadata/source` as text."""

_LEAST_CHANGE = 0.03  # least probability that a continuous parameter leaves its default, even if nobody changed it
_PLAIN_LFO_SHARE = 0.4  # of LFOs in use: about half are not hand-drawn, and some catalog shapes are plain too

# Norm ranges outside which most sounds are silent, clip, or start after the recording has ended.
_PLAUSIBLE = {
    "volume": (0.45, 0.72),
    "voice_amplitude": (0.5, 1.0),
    "osc_N_level": (0.25, 0.85),
    "sample_level": (0.1, 0.8),
    "env_1_delay": (0.0, 0.3),
    "env_1_attack": (0.0, 0.42),
    "env_1_decay": (0.2, 1.0),
    "filter_N_cutoff": (0.2, 1.0),
    "filter_fx_cutoff": (0.2, 1.0),
    "filter_N_mix": (0.5, 1.0),
    "voice_transpose": (0.25, 0.75),
}


class SampledPreset(NamedTuple):
    """One sampled preset.

    Attributes:
      parameters: in canonical order.
      origin: where it comes from, an index into ORIGINS.
      name: for people.
      played: the same sound as `parameters`, with modules and routes in the order of the first variant of its group.
      identity: `parameters_hash` of the first variant of its group.
    """

    parameters: Parameters
    origin: int
    name: str
    played: Parameters
    identity: int


def parameters_hash(parameters: Parameters) -> int:
    """A 63-bit identity of a preset.

    Rows of one preset share it, and so do its variants. The split into training and validation uses it.
    """
    data = b"".join(np.ascontiguousarray(array).tobytes() for array in parameters)
    return int.from_bytes(hashlib.sha256(data).digest()[:8], "little") >> 1


def sample_block(
    schema: Schema,
    config: SamplingConfig,
    seed: int,
    block: int,
    size: int,
    bank: Sequence[tuple[str, Parameters]] = (),
) -> list[SampledPreset]:
    """Draws `size` presets from one Latin hypercube.

    The hypercube divides the prior of each continuous parameter into `size` equally probable parts, one per preset. The
    result depends only on the arguments, so any worker can draw any block. Modules that can be swapped are in canonical
    order.

    Args:
      bank: people's presets, as (name, parameters).
    """
    if config.variants > 1:
        groups = range(-(-size // config.variants))
        return [draw for group in groups for draw in sample_group(schema, config, seed, block, group, bank)][:size]
    rng = np.random.default_rng([seed, block])
    draws = []
    for i, row in enumerate(_hypercube(schema, size, rng)):
        fresh, origin, name = _draw(schema, config, row, f"s{seed}-b{block}-{i}", bank, rng)
        parameters = canonical_order(fresh, schema)
        draws.append(SampledPreset(parameters, origin, name, parameters, parameters_hash(parameters)))
    return draws


def sample_group(
    schema: Schema,
    config: SamplingConfig,
    seed: int,
    block: int,
    group: int,
    bank: Sequence[tuple[str, Parameters]] = (),
) -> list[SampledPreset]:
    """Draws the `config.variants` presets of one group (`vjax.data.sample_variants`), from a hypercube of their own.

    Depends only on the arguments, so that any group can be drawn again without the others of its block.
    """
    # The final 2 separates this stream from those of the notes, which end with 1 (`GenerationConfig.notes_of`).
    rng = np.random.default_rng([seed, block, group, 2])
    draws: list[SampledPreset] = []
    for i, row in enumerate(_hypercube(schema, config.variants, rng), start=group * config.variants):
        fresh, origin, name = _draw(schema, config, row, f"s{seed}-b{block}-{i}", bank, rng)
        if not draws:
            parameters = canonical_order(fresh, schema)
            played = draw_spare_tables(schema, config.tier, parameters, rng)
            draws.append(SampledPreset(parameters, origin, name, played, parameters_hash(parameters)))
        else:
            played = draw_variant(schema, config.tier, draws[0].played, fresh, rng)
            parameters = canonical_order(without_idle_routes(schema, played), schema)
            name = f"{draws[0].name} ~ {name}"
            draws.append(SampledPreset(parameters, ORIGINS.index("variant"), name, played, draws[0].identity))
    return draws


def _hypercube(schema: Schema, size: int, rng: np.random.Generator) -> np.ndarray:
    """Uniform values [size, n_continuous] of a Latin hypercube."""
    from scipy.stats import qmc  # slow to import, and only generation needs it

    return qmc.LatinHypercube(len(schema.continuous), rng=rng).random(size)


def _draw(
    schema: Schema, config: SamplingConfig, uniform: np.ndarray, name: str, bank, rng: np.random.Generator
) -> tuple[Parameters, int, str]:
    """Draws one preset from the prior or from people's presets: (parameters, origin, name)."""
    fresh = _draw_prior(schema, config, uniform, rng)
    if bank and rng.random() < config.preset_share:
        return _draw_from_bank(schema, config, bank, fresh, name, rng)
    return fresh, ORIGINS.index("prior"), name


def _draw_prior(schema: Schema, config: SamplingConfig, uniform: np.ndarray, rng: np.random.Generator) -> Parameters:
    defaults = schema.default_parameters()
    categorical = _draw_menus(schema, config.tier, rng)
    live_sources: set[str] = set()
    route_index, route_value = defaults.route_index, defaults.route_value
    if config.tier >= 3:
        route_index, route_value = draw_routes(schema, config, categorical, rng)
        live_sources = routed_sources(schema, route_index)
    turned = _invert_prior(schema, uniform)
    knobs_live, menus_live = live_controls(schema, config.tier, turned, categorical, live_sources)
    continuous = np.where(knobs_live, turned, defaults.continuous).astype(np.float32)
    categorical = np.where(menus_live, categorical, defaults.categorical).astype(np.int32)
    parameters = Parameters(continuous, categorical, route_index, route_value)
    return raise_macros(schema, parameters, rng)


@functools.lru_cache(maxsize=8)
def _knob_priors(schema: Schema) -> tuple[np.ndarray, np.ndarray]:
    """Returns, for each continuous parameter, how often and how presets change it.

    These are the share of presets that change it [n], and its norm values at QUANTILES in those presets [n, 7].
    """
    usage = load_usage()
    share, values = [], []
    for knob in schema.continuous:
        role = kind(knob.name)
        quantiles = np.asarray(usage["quantiles"].get(role, QUANTILES))
        values.append(np.clip(quantiles, *_PLAUSIBLE.get(role, (0.0, 1.0))))
        share.append(0.0 if knob.frozen else max(usage["changed"].get(role, 0.0), _LEAST_CHANGE))
    return np.array(share), np.array(values)


def _invert_prior(schema: Schema, uniform: np.ndarray) -> np.ndarray:
    """Maps uniform [n] to norm [n]: the default below 1 - share, people's quantiles above.

    The strata of a hypercube are kept.
    """
    share, values = _knob_priors(schema)
    default = schema.default_parameters().continuous
    rank = (uniform - (1 - share)) / np.maximum(share, 1e-9)
    turned = np.array([np.interp(r, QUANTILES, row) for r, row in zip(rank, values, strict=True)])
    integer = np.array([knob.integer for knob in schema.continuous])
    turned = np.where(integer, schema.to_norm(schema.to_native(turned)), turned)  # stores what the engine plays
    return np.where(rank >= 0, turned, default)


def _draw_menus(schema: Schema, tier: int, rng: np.random.Generator) -> np.ndarray:
    options = load_usage()["options"]
    categorical = schema.default_parameters().categorical.copy()
    for i, menu in enumerate(schema.categorical):
        if menu.frozen:
            continue
        if menu.name in CATALOG_CHOICES:
            plain = menu.name in LFO_SHAPE_CHOICES and rng.random() < _PLAIN_LFO_SHARE
            categorical[i] = rng.integers(menu.n_options) if tier >= 2 and not plain else 0
            continue
        is_switch = menu.name.endswith("_on")
        if is_switch and tier == 1 and menu.name not in TIER_1_SWITCHES:
            categorical[i] = 0
            continue
        counts = options.get(menu.name if is_switch else kind(menu.name), [])
        weights = np.zeros(menu.n_options) + LEAST_COUNT
        weights[: len(counts)] += counts[: menu.n_options]
        categorical[i] = rng.choice(menu.n_options, p=weights / weights.sum())
    switches = [schema.position[f"osc_{n + 1}_on"] for n in range(N_OSCILLATORS)]
    if not categorical[switches].any():
        categorical[rng.choice(switches)] = 1
    return categorical


def _draw_from_bank(
    schema, config, bank, fresh: Parameters, name: str, rng: np.random.Generator
) -> tuple[Parameters, int, str]:
    """Returns (parameters, origin, name).

    Draws a real preset (1 in 5), a crossover of two by module (2 in 5), or a mutation (2 in 5).

    A mutation has some modules of the newly drawn preset `fresh`, and small random changes of continuous parameters.
    """
    first_name, first = bank[rng.integers(len(bank))]
    second_name, second = bank[rng.integers(len(bank))]
    choice = rng.random()
    if choice < 0.2:
        origin, child, name = "preset", first, first_name
    elif choice < 0.6:
        origin, child = "crossover", cross_modules(schema, first, second, 0.5, rng)
        name = f"{first_name} x {second_name} {name}"
    else:
        child = cross_modules(schema, first, fresh, 0.15, rng)
        jitter = rng.normal(0, 0.02, child.continuous.shape) * (
            child.continuous != schema.default_parameters().continuous
        )
        knobs = np.array([not knob.integer for knob in schema.continuous])
        continuous = np.clip(child.continuous + jitter * knobs, 0, 1).astype(np.float32)
        origin, child, name = "mutation", child._replace(continuous=continuous), f"{first_name} ~ {name}"
    child = restrict_to_tier(schema, config.tier, child)
    return raise_macros(schema, child, rng), ORIGINS.index(origin), name
