"""Whole modules of sampled presets: which ones play, and how those of two presets are crossed."""

import numpy as np

from vjax.data.sample_routes import routed_sources
from vjax.sound.audibility import audible
from vjax.sound.rules import audibility_rules, shaped_source
from vjax.sound.schema import CATALOG_CHOICES, LFO_SHAPE_CHOICES, Parameters, Schema
from vjax.sound.slots import merge_slots

TIER_1_SWITCHES = ("osc_1_on", "osc_2_on", "osc_3_on", "filter_1_on", "filter_2_on")


def live_controls(
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


def raise_macros(schema: Schema, parameters: Parameters, rng: np.random.Generator) -> Parameters:
    """Raises macros with routes to a random value in [0.2, 1], if they are below. At 0, their routes are inaudible."""
    continuous = parameters.continuous.copy()
    for source in sorted(routed_sources(schema, parameters.route_index)):
        if source.startswith("macro_control") and continuous[schema.position[source]] < 0.2:
            continuous[schema.position[source]] = rng.uniform(0.2, 1.0)
    return parameters._replace(continuous=continuous)


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


def restrict_to_tier(schema: Schema, tier: int, parameters: Parameters) -> Parameters:
    """Sets frozen parameters to their default, removes routes below tier 3, and at tier 1 all that tier 1 lacks."""
    defaults = schema.default_parameters()
    continuous = np.where(schema.frozen_continuous(), defaults.continuous, parameters.continuous)
    categorical = np.where(schema.frozen_categorical(), defaults.categorical, parameters.categorical)
    if tier == 1:
        for i, menu in enumerate(schema.categorical):
            outside = menu.name.endswith("_on") and menu.name not in TIER_1_SWITCHES
            if outside or menu.name in CATALOG_CHOICES:
                categorical[i] = 0
    if tier < 3:  # there are no routes, so the shape of an LFO is inaudible
        categorical[[schema.position[name] for name in LFO_SHAPE_CHOICES if name in schema.position]] = 0
    routes = (parameters if tier >= 3 else defaults)[2:]
    return Parameters(continuous.astype(np.float32), categorical.astype(np.int32), *routes)
