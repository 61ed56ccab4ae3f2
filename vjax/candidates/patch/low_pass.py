"""Finds the filter that makes a patch brighter or darker, and computes its cutoff."""

from vjax.vital.editability import PLAYERS, STEADY, filters_passed
from vjax.vital.filter_kinds import N_LINEAR
from vjax.vital.preset import Preset
from vjax.vital.values import value_of

CUTOFF_SPAN = 128.0
"""Semitones that a route of amount 1 adds to a cutoff."""

_BLENDED = 2  # number of `filter_N_style` options, from 0, whose `blend` goes from low-pass to high-pass
_BAND = 1.0  # the blend of a band-pass
_LEAST_MIX = 0.5


def main_low_pass(preset: Preset) -> str | None:
    """Returns the first low-pass, `filter_1` or `filter_2`, that an oscillator or the sample passes; None if none.

    A filter does not count if most of the sound bypasses it.
    """
    for player in PLAYERS:
        for number in filters_passed(preset, player):
            name = f"filter_{number}"
            if (
                value_of(preset, f"{name}_model") < N_LINEAR
                and value_of(preset, f"{name}_style") < _BLENDED
                and value_of(preset, f"{name}_blend") < _BAND
                and value_of(preset, f"{name}_mix") >= _LEAST_MIX
            ):
                return name
    return None


def cutoff_at_rest(preset: Preset, name: str, note: int, velocity: float) -> float:
    """Returns the MIDI pitch of the cutoff of `filter_1` or `filter_2` at a note, with envelopes and LFOs at 0."""
    cutoff = value_of(preset, f"{name}_cutoff") + value_of(preset, f"{name}_keytrack") * (note - 60)
    for route in preset.routes:
        if route and not route.bypass and (route.source, route.destination) == ("velocity", f"{name}_cutoff"):
            cutoff += CUTOFF_SPAN * route.amount * (velocity - 0.5 if route.bipolar else velocity)
    return cutoff


def highest_cutoff(preset: Preset, name: str, note: int, velocity: float) -> float:
    """Returns the highest MIDI pitch of the cutoff of `filter_1` or `filter_2` at a note, with envelopes and LFOs."""
    cutoff = cutoff_at_rest(preset, name, note, velocity)
    for route in preset.routes:
        if route and not route.bypass and route.destination == f"{name}_cutoff" and route.source not in STEADY:
            cutoff += CUTOFF_SPAN * (abs(route.amount) / 2 if route.bipolar else max(route.amount, 0))
    return cutoff
