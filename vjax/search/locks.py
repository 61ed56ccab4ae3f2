"""Groups of modules that a search or a variation can leave as they are."""

from collections.abc import Collection

import numpy as np

from vjax.sound.encoding import EFFECTS
from vjax.sound.schema import N_LFOS, N_OSCILLATORS
from vjax.vital.preset import Preset, controls

LOCKS = ("oscillators", "filters", "effects", "envelopes", "lfos", "macros")
"""The groups of modules that can be locked. The sample is one of the oscillators, random LFOs are LFOs."""

_MODULES = {
    "oscillators": {*(f"osc_{i + 1}" for i in range(N_OSCILLATORS)), "sample"},
    "filters": {"filter_1", "filter_2"},
    "effects": set(EFFECTS),
    "envelopes": {f"env_{i + 1}" for i in range(6)},
    "lfos": {*(f"lfo_{i + 1}" for i in range(N_LFOS)), *(f"random_{i + 1}" for i in range(4))},
    "macros": {f"macro_control_{i + 1}" for i in range(4)},
}
_SLOT = "modulation_"


def check_locks(locked: Collection[str]) -> None:
    """Raises ValueError for a name that is not one of LOCKS."""
    for name in locked:
        if name not in LOCKS:
            raise ValueError(f"{name!r} cannot be locked; expected some of {', '.join(LOCKS)}")


def locked_parts(preset: Preset, locked: Collection[str]) -> tuple[np.ndarray, np.ndarray]:
    """([n_continuous], [slots]) bool: the continuous parameters and the routes of a preset that stay as they are.

    A locked module keeps every value, and the routes that start or end at it.

    Args:
      locked: names of LOCKS. Raises ValueError for another name.
    """
    check_locks(locked)
    modules = set().union(*(_MODULES[name] for name in locked))
    knobs = np.array([_module(name) in modules for name in controls().continuous_names])
    return knobs, np.array([_is_locked(preset, slot, modules) for slot in range(len(preset.routes))], bool)


def _module(name: str) -> str:
    """The module of a control, a source or a destination."""
    schema = controls()
    return name if name.startswith("macro_control_") or name in schema.sources else schema.module(name)


def _is_locked(preset: Preset, slot: int, modules: Collection[str]) -> bool:
    """Whether a route starts or ends at one of `modules`. A route that moves another route ends where that one ends."""
    for _ in preset.routes:  # a chain is not longer; a ring ends here
        route = preset.routes[slot]
        if route is None:
            return False
        if _module(route.source) in modules or _module(route.destination) in modules:
            return True
        if not route.destination.startswith(_SLOT):
            return False
        slot = int(route.destination.removeprefix(_SLOT).split("_")[0]) - 1
    return False
