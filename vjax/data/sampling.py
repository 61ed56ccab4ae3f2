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

from vjax.data.sample_routes import draw_routes, routed_sources
from vjax.data.sampling_config import LEAST_COUNT, SamplingConfig
from vjax.data.usage import QUANTILES, kind, load_usage
from vjax.sound.audibility import audible
from vjax.sound.module_order import canonical_order
from vjax.sound.rules import audibility_rules, shaped_source
from vjax.sound.schema import CATALOG_CHOICES, LFO_SHAPE_CHOICES, N_OSCILLATORS, Parameters, Schema
from vjax.sound.slots import merge_slots

ORIGINS = ("prior", "preset", "crossover", "mutation")
"""Where a sound comes from; stored in `metadata/source` as text."""

_TIER_1_SWITCHES = ("osc_1_on", "osc_2_on", "osc_3_on", "filter_1_on", "filter_2_on")
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
    """One sampled preset: its parameters, where it comes from (an index into ORIGINS) and a name for people."""

    parameters: Parameters
    origin: int
    name: str


def parameters_hash(parameters: Parameters) -> int:
    """A 63-bit identity of a preset. Rows of one preset share it, and the train/validation split uses it."""
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
    from scipy.stats import qmc  # slow to import, and only generation needs it

    rng = np.random.default_rng([seed, block])
    hypercube = qmc.LatinHypercube(len(schema.continuous), rng=rng).random(size)
    draws = []
    for i in range(size):
        fresh = _draw_prior(schema, config, hypercube[i], rng)
        name = f"s{seed}-b{block}-{i}"
        if bank and rng.random() < config.preset_share:
            draw = _draw_from_bank(schema, config, bank, fresh, name, rng)
        else:
            draw = SampledPreset(fresh, ORIGINS.index("prior"), name)
        draws.append(draw._replace(parameters=canonical_order(draw.parameters, schema)))
    return draws


def _draw_prior(schema: Schema, config: SamplingConfig, uniform: np.ndarray, rng: np.random.Generator) -> Parameters:
    defaults = schema.default_parameters()
    categorical = _draw_menus(schema, config.tier, rng)
    live_sources: set[str] = set()
    route_index, route_value = defaults.route_index, defaults.route_value
    if config.tier >= 3:
        route_index, route_value = draw_routes(schema, config, categorical, rng)
        live_sources = routed_sources(schema, route_index)
    turned = _invert_prior(schema, uniform)
    knobs_live, menus_live = _live_controls(schema, config.tier, turned, categorical, live_sources)
    continuous = np.where(knobs_live, turned, defaults.continuous).astype(np.float32)
    categorical = np.where(menus_live, categorical, defaults.categorical).astype(np.int32)
    parameters = Parameters(continuous, categorical, route_index, route_value)
    return _raise_macros(schema, parameters, rng)


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
        if is_switch and tier == 1 and menu.name not in _TIER_1_SWITCHES:
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


def _live_controls(
    schema: Schema, tier: int, continuous: np.ndarray, categorical: np.ndarray, live_sources: set[str]
) -> tuple[np.ndarray, np.ndarray]:
    """Returns ([n_continuous], [n_categorical]) bool: which parameters keep the drawn value. Others get their default.

    Parameters of modules that are off and of sources without a route get their default, and so does the effect order at
    tier 1. Parameters that a mode or a filter without input makes inaudible keep the drawn value, and so do macros.
    When modules are crossed, routes and oscillators of another preset may make them audible.
    """
    on = audible(audibility_rules(schema), continuous, categorical, parts=("modules",))

    def live(names: tuple[str, ...], plays: np.ndarray) -> np.ndarray:
        sources = (None if name.startswith("macro_control_") else shaped_source(name, schema) for name in names)
        used = np.array([source is None or source in live_sources for source in sources])
        return plays & used & np.array([tier >= 2 or not name.startswith("effect") for name in names])

    return live(schema.continuous_names, on.continuous), live(schema.categorical_names, on.categorical)


def _raise_macros(schema: Schema, parameters: Parameters, rng: np.random.Generator) -> Parameters:
    """Raises macros with routes to a random value in [0.2, 1], if they are below. At 0, their routes are inaudible."""
    continuous = parameters.continuous.copy()
    for source in sorted(routed_sources(schema, parameters.route_index)):
        if source.startswith("macro_control") and continuous[schema.position[source]] < 0.2:
            continuous[schema.position[source]] = rng.uniform(0.2, 1.0)
    return parameters._replace(continuous=continuous)


def _draw_from_bank(schema, config, bank, fresh: Parameters, name: str, rng: np.random.Generator) -> SampledPreset:
    """Draws a real preset (1 in 5), a crossover of two by module (2 in 5), or a mutation (2 in 5).

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
    child = _restrict_to_tier(schema, config.tier, child)
    return SampledPreset(_raise_macros(schema, child, rng), ORIGINS.index(origin), name)


def cross_modules(
    schema: Schema, first: Parameters, second: Parameters, share: float, rng: np.random.Generator
) -> Parameters:
    """Returns `first` with each module taken from `second` with probability `share`. Routes go with their destination.

    A route that points at another route goes with that route, and keeps pointing at it.
    """
    names = schema.continuous_names + schema.categorical_names + schema.destinations
    modules = sorted({schema.module(name) for name in names})
    taken = {module: bool(rng.random() < share) for module in modules}
    taken["global"] = False
    continuous = np.array([taken[schema.module(name)] for name in schema.continuous_names])
    categorical = np.array([taken[schema.module(name)] for name in schema.categorical_names])
    destinations = np.array([taken[schema.module(name)] for name in schema.destinations])
    chained = schema.destination_slots >= 0  # these follow the route that they point at

    def stays(parent: Parameters, wanted: bool) -> np.ndarray:
        destination = parent.route_index % len(schema.destinations)
        return (destinations[destination] == wanted) | chained[destination]

    routes = merge_slots([first[2:], second[2:]], schema, keep=[stays(first, False), stays(second, True)])
    return Parameters(
        np.where(continuous, second.continuous, first.continuous),
        np.where(categorical, second.categorical, first.categorical),
        *routes,
    )


def _restrict_to_tier(schema: Schema, tier: int, parameters: Parameters) -> Parameters:
    """Sets frozen parameters to their default, removes routes below tier 3, and at tier 1 all that tier 1 lacks."""
    defaults = schema.default_parameters()
    continuous = np.where(schema.frozen_continuous(), defaults.continuous, parameters.continuous)
    categorical = np.where(schema.frozen_categorical(), defaults.categorical, parameters.categorical)
    if tier == 1:
        for i, menu in enumerate(schema.categorical):
            outside = menu.name.endswith("_on") and menu.name not in _TIER_1_SWITCHES
            if outside or menu.name in CATALOG_CHOICES:
                categorical[i] = 0
    if tier < 3:  # there are no routes, so the shape of an LFO is inaudible
        categorical[[schema.position[name] for name in LFO_SHAPE_CHOICES if name in schema.position]] = 0
    routes = (parameters if tier >= 3 else defaults)[2:]
    return Parameters(continuous.astype(np.float32), categorical.astype(np.int32), *routes)
