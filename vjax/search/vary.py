"""Variations of a preset: some of its knobs and route amounts are turned at random."""

from collections.abc import Collection

import numpy as np

from vjax.search.space import Space, first_steps, make_space
from vjax.vital.preset import Preset

_SHARE = 0.35  # of the dimensions are turned: a few clear differences are more useful than many small ones
# In parts of a knob's range. The same turn is inaudible in one preset, and makes another sound of the next.
_SIZES = (0.3, 0.12, 0.05, 0.02)
_STILL = ("_transpose", "_tune", "voice_amplitude", "stereo_routing")  # pitches, and the whole voice


def varied(preset: Preset, n: int, locked: Collection[str] = (), seed: int = 0) -> list[Preset]:
    """`n` presets around a preset, with large and small turns of its audible knobs and route amounts.

    Routing and menus stay. So do pitches and what moves them, and the macros, which a musician turns. The presets are
    not rendered, and some may be silent: see `vjax.matching.variations`.

    Args:
      locked: groups of modules that stay as they are, see `vjax.search.locks.LOCKS`.
      seed: the same seed gives the same presets.

    Raises ValueError for another lock, or if all that is audible is locked.
    """
    space = make_space(preset, locked={*locked, "macros"})
    turned = np.flatnonzero([not _is_still(name, space) for name in space.names])
    if not len(turned):
        what = f"with {', '.join(locked)} locked, nothing" if locked else "nothing"
        raise ValueError(f"{what} is left to vary in {preset.name!r}; unlock a group, or take another preset")
    rng = np.random.default_rng(seed)
    presets = []
    for i in range(n):
        some = turned[rng.random(len(turned)) < _SHARE]
        some = some if len(some) else rng.choice(turned, 1)
        norm = space.origin.copy()
        norm[some] += first_steps(space, _SIZES[i % len(_SIZES)])[some] * rng.normal(size=len(some))
        presets.append(space.to_preset(_reflected(norm)))
    return presets


def _is_still(name: str, space: Space) -> bool:
    """Whether a dimension is one of _STILL, or the amount of a route to one."""
    if name.startswith("modulation_"):
        route = space.preset.routes[int(name.split("_")[1]) - 1]
        name = route.destination if route is not None else name
    return name.endswith(_STILL)


def _reflected(norm: np.ndarray) -> np.ndarray:
    """Values beyond [0, 1], mirrored at its ends, so that a knob at its end is turned as often as others."""
    return 1 - np.abs(1 - np.abs(norm).clip(0, 2))
