"""What is audible in a preset: `vjax.sound.audibility` for the engine's own controls."""

import numpy as np

from vjax.sound.audibility import Audible, audible
from vjax.sound.routes import CHANNELS
from vjax.sound.rules import audibility_rules
from vjax.vital.preset import Preset, controls


def audible_of(preset: Preset) -> Audible:
    """What is audible in a preset, in the order of its vectors and slots. A bypassed route has no effect."""
    schema = controls()
    sources = {name: i for i, name in enumerate(schema.sources)}
    destinations = {name: i for i, name in enumerate(schema.destinations)}
    index = np.full(len(preset.routes), -1, np.int32)
    value = np.zeros((len(preset.routes), len(CHANNELS)), np.float32)
    for slot, route in enumerate(preset.routes):
        if route is not None and not route.bypass and route.source in sources and route.destination in destinations:
            index[slot] = sources[route.source] * len(destinations) + destinations[route.destination]
            value[slot, 0] = route.amount
    return audible(audibility_rules(schema), preset.continuous, preset.categorical, (index, value))
