"""Which modules and controls of a preset are in use: those that make a difference to its sound.

`vjax.vital.audible` decides by rules that hold for any schema, so that a mix at 0 counts as audible. A person who
rebuilds a preset need not set such a mix. The rules here are stricter: they look at the values too. They change no bit
of a render; a test compares the renders of presets.
"""

from collections.abc import Mapping
from typing import Any

from vjax.sound.encoding import CHAIN, EFFECTS, chain_ranks
from vjax.sound.schema import N_OSCILLATORS
from vjax.vital.audible import audible_of
from vjax.vital.editability import PLAYERS, carrying_routes
from vjax.vital.preset import Preset, controls, init
from vjax.vital.values import value_of, with_values
from vjax.vital.wavetables import n_keyframes

# An effect whose mix is 0 passes its input. The compressor does not: it still splits the sound into bands.
_MIXES = {
    **{effect: f"{effect}_dry_wet" for effect in ("chorus", "delay", "flanger", "phaser", "reverb")},
    **{effect: f"{effect}_mix" for effect in ("distortion", "filter_fx")},
}
_FILTERS = ("filter_1", "filter_2")
_TO_FILTER, _TO_BOTH, _TO_EFFECTS = (0, 1), 2, 3  # options of `*_destination`
_FIRST, _SECOND, _FROM_SAMPLE = (7, 10), (8, 11), (9, 12)  # options of `osc_N_distortion_type`: FM, RM
_TEMPOS = (1, 2, 3)  # options of `*_sync`


def without_idle_modules(preset: Preset) -> Preset:
    """The preset with those modules switched off that are on but make no difference; it renders the same sound.

    Oscillators that play into a filter that is off are set to play straight to the effects, or are left as in the init
    patch where this is the same.
    """
    while idle := _idle_modules(preset):
        preset = with_values(preset, {f"{module}_on": 0 for module in idle})
    return with_values(preset, _straight(preset))


def controls_in_use(preset: Preset) -> frozenset[str]:
    """The names of the controls that make a difference, if the modules that are off stay off.

    A switch of a module is always in use. So is a control that only matters while notes follow each other (legato,
    voices). The result is meant for a preset from `without_idle_modules`.
    """
    names = (*controls().continuous_names, *controls().categorical_names)
    audible = audible_of(preset)
    flags = (*audible.continuous, *audible.categorical)
    found = {name for name, is_audible in zip(names, flags, strict=True) if is_audible}
    return frozenset(found - _idle_controls(preset, found))


def modulator(number: int, distortion_type: int) -> str | None:
    """The module, one of PLAYERS, that modulates oscillator `number`, from 1; None if the type is not FM or RM."""
    if distortion_type in _FROM_SAMPLE:
        return "sample"
    others = [f"osc_{i + 1}" for i in range(N_OSCILLATORS) if i + 1 != number]
    if distortion_type in _FIRST:
        return others[0]
    return others[1] if distortion_type in _SECOND else None


def moved_controls(preset: Preset) -> frozenset[str]:
    """The destinations of routes that make a difference."""
    return frozenset(route.destination for _, route in carrying_routes(preset))


def effects_in_order(preset: Preset) -> list[str]:
    """Those of EFFECTS that are on, in the order in which the sound passes them."""
    ranks = chain_ranks([round(value_of(preset, CHAIN))])[0]
    return [e for _, e in sorted(zip(ranks, EFFECTS, strict=True)) if value_of(preset, f"{e}_on")]


def is_constant(table: Mapping[str, Any]) -> bool:
    """Whether all frames of a wavetable are equal, because no component has two keyframes."""
    return n_keyframes(table) <= 1


def _idle_modules(preset: Preset) -> list[str]:
    moved = moved_controls(preset)

    def zero(control: str) -> bool:
        return value_of(preset, control) == 0 and control not in moved

    on = {module for module in (*PLAYERS, *_FILTERS, *EFFECTS) if value_of(preset, f"{module}_on")}
    idle = [effect for effect, mix in _MIXES.items() if effect in on and zero(mix)]
    if "eq" in on and all(zero(f"eq_{band}_gain") and zero(f"eq_{band}_mode") for band in ("low", "band", "high")):
        idle.append("eq")
    types = {i + 1: int(value_of(preset, f"osc_{i + 1}_distortion_type")) for i in _oscillators_on(preset)}
    modulators = {modulator(number, distortion_type) for number, distortion_type in types.items()}
    idle += [player for player in PLAYERS if player in on and zero(f"{player}_level") and player not in modulators]
    audible = audible_of(preset).continuous
    for name, other in (_FILTERS, _FILTERS[::-1]):
        is_fed = audible[controls().position[f"{name}_mix"]]
        feeds = other in on and value_of(preset, f"{other}_filter_input")
        if name in on and (not is_fed or (zero(f"{name}_mix") and not feeds)):
            idle.append(name)
    return idle


def _oscillators_on(preset: Preset) -> list[int]:
    return [i for i in range(N_OSCILLATORS) if value_of(preset, f"osc_{i + 1}_on")]


def _straight(preset: Preset) -> dict[str, int]:
    """New options of destinations that lead straight to the effects now."""

    def is_straight(option: int) -> bool:
        off = [not value_of(preset, f"{name}_on") for name in _FILTERS]
        return option == _TO_EFFECTS or (option in _TO_FILTER and off[option]) or (option == _TO_BOTH and all(off))

    found = {}
    for player in PLAYERS:
        control = f"{player}_destination"
        if is_straight(int(value_of(preset, control))):
            default = int(value_of(init(), control))
            found[control] = default if is_straight(default) else _TO_EFFECTS
    return found


def _idle_controls(preset: Preset, audible: set[str]) -> set[str]:
    moved = moved_controls(preset)

    def is_fixed(control: str, value: float) -> bool:
        return value_of(preset, control) == value and control not in moved

    idle = set()
    for envelope in (f"env_{i}" for i in range(1, 7)):
        for stage, value, others in (
            ("sustain", 1, ("decay", "decay_power")),
            ("attack", 0, ("attack_power",)),
            ("release", 0, ("release_power",)),
        ):
            if is_fixed(f"{envelope}_{stage}", value):
                idle |= {f"{envelope}_{other}" for other in others}
    for osc in (f"osc_{i + 1}" for i in range(N_OSCILLATORS)):
        if is_constant(preset.wavetables[int(osc[-1]) - 1]):
            idle |= {f"{osc}_wave_frame"} - moved  # not the spread, which gives each voice its own buffer
        if modulator(int(osc[-1]), int(value_of(preset, f"{osc}_distortion_type"))):
            idle |= {f"{osc}_distortion_phase"}
    for band in ("low", "band", "high"):
        if is_fixed(f"eq_{band}_gain", 0) and is_fixed(f"eq_{band}_mode", 0):
            idle |= {f"eq_{band}_cutoff", f"eq_{band}_resonance"}
    for name, other in (_FILTERS, _FILTERS[::-1]):
        if not value_of(preset, f"{other}_on"):
            idle |= {f"{name}_filter_input"}
    if is_fixed("portamento_time", controls().continuous[controls().position["portamento_time"]].minimum):
        idle |= {"portamento_force", "portamento_scale", "portamento_slope"}
    if not any(name.endswith("_sync") and value_of(preset, name) in _TEMPOS for name in audible):
        idle |= {"beats_per_minute"}
    if not any(route.source == "mod_wheel" for _, route in carrying_routes(preset)):
        idle |= {"mod_wheel"}
    return idle
