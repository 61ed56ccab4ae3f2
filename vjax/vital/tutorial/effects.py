"""Steps for the effects, in the order in which the sound passes them."""

from vjax.sound.encoding import CHAIN
from vjax.vital.in_use import effects_in_order
from vjax.vital.tutorial.draft import Draft, Reading
from vjax.vital.tutorial.steps import Fact, Step
from vjax.vital.tutorial.values import native_of
from vjax.vital.tutorial.voices import filter_step
from vjax.vital.tutorial.words import label, module_title

# Controls that belong together, in the order of a musician. All others follow.
_GROUPS = {
    "chorus": ("voices dry_wet", "sync tempo frequency", "feedback mod_depth", "delay_1 delay_2", "cutoff spread"),
    "compressor": (
        *("enabled_bands mix", "attack release"),
        "low_gain band_gain high_gain",
        *(f"{band}_upper_threshold {band}_upper_ratio" for band in ("low", "band", "high")),
        *(f"{band}_lower_threshold {band}_lower_ratio" for band in ("low", "band", "high")),
    ),
    "delay": ("style dry_wet feedback", "sync tempo frequency", "aux_sync aux_tempo aux_frequency"),
    "distortion": ("type drive mix", "filter_order filter_cutoff filter_resonance filter_blend"),
    "eq": tuple(f"{band}_mode {band}_gain {band}_cutoff {band}_resonance" for band in ("low", "band", "high")),
    "flanger": ("dry_wet feedback", "sync tempo frequency", "mod_depth center phase_offset"),
    "phaser": ("dry_wet feedback", "sync tempo frequency", "mod_depth center blend", "phase_offset"),
    "reverb": (
        *("dry_wet decay_time size", "delay pre_low_cutoff pre_high_cutoff"),
        *("low_shelf_gain low_shelf_cutoff", "high_shelf_gain high_shelf_cutoff", "chorus_amount chorus_frequency"),
    ),
}


def effects(reading: Reading) -> list[Step]:
    """The steps of all effects that are on, and one for their order if it is not that of the init preset."""
    names = effects_in_order(reading.preset)
    steps = [filter_step(reading, name) if name == "filter_fx" else _effect(reading, name) for name in names]
    if CHAIN in reading.changed:
        titles = [module_title(name) for name in names]
        order = ", ".join(titles)
        fact = Fact(CHAIN, label(CHAIN), native_of(reading.preset, CHAIN), order)
        sentence = f"Drag the effects into this order, the first at the top: {order}."
        steps.append(Step("Order of the effects", (sentence,), (fact,)))
    return [step for step in steps if step]


def _effect(reading: Reading, name: str) -> Step:
    draft = Draft(reading, module_title(name))
    if on := draft.fact(f"{name}_on"):
        draft.say(f"On the EFFECTS tab, switch {draft.title} {on.text}.")
    for controls in _GROUPS[name]:
        draft.set(*(f"{name}_{control}" for control in controls.split()))
    draft.set_rest(name)
    return draft.step()
