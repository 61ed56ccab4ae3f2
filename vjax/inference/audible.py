"""Which knobs of a preset can be heard: what refinement may turn, and nothing else.

Rules, not measurements: they cost no render. A test holds them against the engine: turning every knob that they call
silent, all at once, leaves the render equal to the last bit.
"""

from collections.abc import Mapping

from vjax.schema import N_OSCILLATORS
from vjax.vital.preset import Preset, controls

CODES = ("transpose_quantize", "effect_chain_order")
"""Integers that are codes (a bitmask of notes, a permutation's number): no step of theirs is small; none is taken."""

# A knob and the menu it depends on: it is heard where the menu stands on one of the values. The oscillators' own
# modules and those with a rate are added below.
_FORMANT, _COMB = 5, 6
_FILTERS = ("filter_1", "filter_2", "filter_fx")
_MODES: dict[str, tuple[str, frozenset[int]]] = {
    **{
        f"{module}_formant_{knob}": (f"{module}_model", frozenset({_FORMANT}))
        for module in _FILTERS
        for knob in ("x", "y", "transpose", "resonance", "spread")
    },
    **{f"distortion_filter_{knob}": ("distortion_filter_order", frozenset({1, 2})) for knob in ("cutoff", "resonance")},
    "distortion_filter_blend": ("distortion_filter_order", frozenset({1, 2})),
    "delay_aux_frequency": ("delay_aux_sync", frozenset({0})),
    **{
        f"{module}_frequency": (f"{module}_sync", frozenset({0})) for module in ("chorus", "delay", "flanger", "phaser")
    },
}
for _source in (*(f"lfo_{i + 1}" for i in range(8)), *(f"random_{i + 1}" for i in range(4))):
    _MODES[f"{_source}_frequency"] = (f"{_source}_sync", frozenset({0}))
    for _knob in ("transpose", "tune"):
        _MODES[f"{_source}_keytrack_{_knob}"] = (f"{_source}_sync", frozenset({4}))
for _i in range(N_OSCILLATORS):
    _MODES[f"osc_{_i + 1}_spectral_morph_amount"] = (f"osc_{_i + 1}_spectral_morph_type", frozenset(range(1, 12)))
    for _knob in ("amount", "spread", "phase"):
        _MODES[f"osc_{_i + 1}_distortion_{_knob}"] = (f"osc_{_i + 1}_distortion_type", frozenset(range(1, 13)))

# Only between the voices of a unison: silent with one voice.
_UNISON = (
    "detune_power", "detune_range", "distortion_spread", "frame_spread", "unison_blend", "unison_detune",
)  # fmt: skip
_TO_FILTER = {"filter_1": (0, 2), "filter_2": (1, 2)}  # values of *_destination that reach the filter


def audible_knobs(preset: Preset) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """(names of the knobs, slots of the routes from 0) that can be heard in the preset's sound.

    A knob is left out if it is frozen or a code, if its module is off, if nothing reaches its filter, if a mode of its
    module does not use it, or if its source (LFO, envelope, random, macro) drives nothing that is itself heard. Of a
    route the amount is heard; the routes are those that drive something heard.
    """
    schema = controls()
    menus = dict(zip(schema.categorical_names, map(int, preset.categorical), strict=True))
    native = dict(zip(schema.continuous_names, schema.to_native(preset.continuous), strict=True))
    routes = {slot: r for slot, r in enumerate(preset.routes) if r is not None and not r.bypass}
    moved = {route.destination for route in routes.values()}
    fed = _fed_filters(menus)

    def in_use(name: str) -> bool:
        """Whether the knob matters as long as its module and its source do."""
        module = schema.module(name)
        if name.endswith(CODES) or not menus.get(f"{module}_on", 1) or not fed.get(module, True):
            return False
        if name in _MODES:
            menu, values = _MODES[name]
            if menus[menu] not in values:
                return False
        one_voice = native.get(f"{module}_unison_voices") == 1 and f"{module}_unison_voices" not in moved
        return not (one_voice and name.removeprefix(f"{module}_") in _UNISON)

    heard_slots: set[int] = set()
    while True:  # grows until nothing is added: a route is heard through what it drives
        sources = {routes[slot].source for slot in heard_slots}
        found = {slot for slot, route in routes.items() if _arrives(route.destination, sources, heard_slots, in_use)}
        if found == heard_slots:
            break
        heard_slots = found
    names = tuple(
        knob.name
        for knob in schema.continuous
        if not knob.frozen and in_use(knob.name) and _source_of(knob.name) in (None, *sources)
    )
    return names, tuple(sorted(heard_slots))


def _source_of(name: str) -> str | None:
    """The modulation source that a knob shapes or is, None for knobs of the sound itself."""
    return name if name.startswith("macro_control_") else controls().shaped_source(name)


def _arrives(destination: str, sources: set[str], heard_slots: set[int], in_use) -> bool:
    if destination.startswith("modulation_"):
        return int(destination.split("_")[1]) - 1 in heard_slots
    if destination.endswith(("_tempo", "_sync")):  # no knob: heard if its module's other knobs may be
        return True
    return in_use(destination) and _source_of(destination) in (None, *sources)


def _fed_filters(menus: Mapping[str, int]) -> dict[str, bool]:
    """Whether something sounds into filter 1 and filter 2."""
    players = [name for name in (*(f"osc_{i + 1}" for i in range(N_OSCILLATORS)), "sample") if menus[f"{name}_on"]]
    fed = {name: any(menus[f"{p}_destination"] in values for p in players) for name, values in _TO_FILTER.items()}
    for name, other in (("filter_1", "filter_2"), ("filter_2", "filter_1")):
        fed[name] = fed[name] or bool(menus[f"{name}_filter_input"] and menus[f"{other}_on"] and fed[other])
    return fed
