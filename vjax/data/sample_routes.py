"""Draws modulation routes as people set them."""

import numpy as np

from vjax.data.sampling_config import LEAST_COUNT, SamplingConfig
from vjax.data.usage import kind, load_usage
from vjax.sound.audibility import audible
from vjax.sound.routes import CHANNELS, N_SLOTS, ROUTE_RANGES
from vjax.sound.rules import audibility_rules, shaped_source
from vjax.sound.schema import Schema
from vjax.sound.slots import canonical_slots

# Sources that do not change while one note is recorded, so that their routes are inaudible.
_SILENT_SOURCES = frozenset({"aftertouch", "lift", "mod_wheel", "pitch_wheel", "slide"})


def routed_sources(schema: Schema, route_index: np.ndarray) -> set[str]:
    """Names of the sources that have a route, to any destination."""
    return {schema.sources[cell // len(schema.destinations)] for cell in route_index[route_index >= 0]}


def draw_routes(schema: Schema, config: SamplingConfig, categorical: np.ndarray, rng: np.random.Generator):
    """Draws route arrays among modules that are on. Sources and destinations are as frequent as in people's presets."""
    usage = load_usage()
    route_index = np.full(N_SLOTS, -1, np.int32)
    route_value = np.zeros((N_SLOTS, len(CHANNELS)), np.float32)
    n_routes = min(rng.geometric(config.route_p) - 1, config.max_routes)
    if n_routes == 0:
        return route_index, route_value
    source_weights = np.array(
        [0.0 if s in _SILENT_SOURCES else usage["sources"].get(s, 0) + LEAST_COUNT for s in schema.sources]
    )
    sources = rng.choice(len(schema.sources), n_routes, p=source_weights / source_weights.sum())
    destination_weights = _destination_weights(schema, categorical, {schema.sources[s] for s in sources})
    n_routes = min(n_routes, int(np.count_nonzero(destination_weights)))
    destinations = rng.choice(
        len(schema.destinations), n_routes, replace=False, p=destination_weights / destination_weights.sum()
    )
    _chain(schema, destinations, rng)
    route_value[:n_routes] = draw_amounts(n_routes, rng)
    route_index[:n_routes] = sources[:n_routes] * len(schema.destinations) + destinations
    return canonical_slots(route_index, route_value, schema)


def draw_amounts(n: int, rng: np.random.Generator) -> np.ndarray:
    """Draws amount, bipolar, power and stereo of n routes: [n, 4] float64."""
    # Shares from FACTS.md, over 660 public presets: 11 % at full amount, 7 % negative, 10 % bipolar, 1.4 % stereo.
    amount = np.where(rng.random(n) < 0.11, 1.0, 0.05 + 0.95 * rng.random(n) ** 1.5)
    amount *= np.where(rng.random(n) < 0.07, -1, 1)
    power = np.where(rng.random(n) < 0.004, rng.uniform(*ROUTE_RANGES["power"], n), 0.0)
    bipolar, stereo = rng.random(n) < 0.10, rng.random(n) < 0.014
    return np.stack([amount, bipolar, power, stereo], axis=1)


def _chain(schema: Schema, destinations: np.ndarray, rng: np.random.Generator) -> None:
    """Points some of the last routes at the amount of an earlier route, as often as in people's presets."""
    if not (schema.destination_slots >= 0).any() or len(destinations) < 2:
        return
    counts = load_usage()["destinations"]
    share = sum(n for name, n in counts.items() if name.startswith("modulation_")) / sum(counts.values())
    first = len(destinations) - rng.binomial(len(destinations) - 1, share)
    for i in range(first, len(destinations)):
        destinations[i] = schema.destinations.index(f"modulation_{rng.integers(first) + 1}_amount")


def _destination_weights(schema: Schema, categorical: np.ndarray, live_sources: set[str]) -> np.ndarray:
    usage, weights = load_usage()["destinations"], []
    frozen = {knob.name for knob in schema.continuous if knob.frozen}
    knobs = schema.default_parameters().continuous
    on = audible(audibility_rules(schema), knobs, categorical, parts=("modules",)).destinations
    for name, plays in zip(schema.destinations, on, strict=True):
        # `_chain` draws the routes that point at routes, after the routes at which they point.
        silent = name in frozen or name.startswith(("modulation_", "macro_control_"))
        source = shaped_source(name, schema)
        silent |= not plays or (source is not None and source not in live_sources)
        weights.append(0.0 if silent else usage.get(kind(name), 0) + LEAST_COUNT)
    return np.array(weights)
