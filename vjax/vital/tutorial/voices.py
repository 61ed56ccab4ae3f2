"""Steps for what plays and what filters it: oscillators, sample, filters."""

from vjax.vital.editability import PLAYERS, frames_reached
from vjax.vital.filter_kinds import filter_shape, style_text
from vjax.vital.in_use import modulator
from vjax.vital.preset import init
from vjax.vital.tutorial.contents import is_init_table, sample_text, table_text
from vjax.vital.tutorial.draft import Draft, Reading
from vjax.vital.tutorial.steps import Part, Step
from vjax.vital.tutorial.values import value_text
from vjax.vital.tutorial.words import joined, module_title

OSCILLATORS = tuple(player for player in PLAYERS if player != "sample")
_BOTH = 2  # option of `*_destination`


def oscillator(reading: Reading, name: str) -> Step | None:
    """The step of an oscillator; None if it is off in the init preset too."""
    draft = Draft(reading, module_title(name))
    if not reading.value(f"{name}_on"):
        return _switched_off(draft, name)
    _switch_on(draft, name)
    number = int(name[-1]) - 1
    if is_init_table(reading.preset, number):
        draft.say("Keep the wavetable of the init preset, a saw.")
    else:
        table = reading.preset.wavetables[number]
        part = Part(f"{name}_wavetable", table_text(table, *frames_reached(reading.preset, number)))
        draft.parts.append(part)
        draft.say(f"Load the wavetable {str(table.get('name', ''))!r} from the preset file: {part.text}.")
    for controls in (
        "wave_frame",
        "level pan",
        "transpose tune transpose_quantize",
        "unison_voices unison_detune detune_power detune_range stack_style unison_blend stereo_spread",
        "spectral_morph_type spectral_morph_amount spectral_morph_spread",
        "distortion_type distortion_amount distortion_phase distortion_spread",
        "phase random_phase",
        "destination",
    ):
        draft.set(*(f"{name}_{control}" for control in controls.split()))
    draft.set_rest(name)
    _say_what_it_modulates(draft, name)
    return draft.step()


def _say_what_it_modulates(draft: Draft, name: str) -> None:
    """An oscillator whose level is 0 is on only because it modulates another one."""
    reading, level = draft.reading, f"{name}_level"
    others = [
        module_title(osc)
        for osc in OSCILLATORS
        if reading.value(f"{osc}_on") and modulator(int(osc[-1]), int(reading.value(f"{osc}_distortion_type"))) == name
    ]
    if others and reading.value(level) == 0 and level not in reading.moved:
        draft.say(f"It is silent itself: it modulates {joined(others)}.")


def sample(reading: Reading) -> Step | None:
    """The step of the sample oscillator; None if it is off."""
    draft = Draft(reading, "Sample")
    if not reading.value("sample_on"):
        return _switched_off(draft, "sample")
    _switch_on(draft, "sample")
    own = reading.preset.sample
    is_noise = own.get("name") == init().sample["name"]  # it differs in each file, and sounds the same
    part = Part("sample", "white noise" if is_noise else sample_text(own))
    draft.parts.append(part)
    draft.say(f"{'Keep its' if is_noise else 'Load the sample'} {part.text}.")
    draft.set("sample_level", "sample_pan", "sample_transpose", "sample_tune", "sample_destination")
    draft.set_rest("sample")
    return draft.step()


def filter_step(reading: Reading, name: str) -> Step | None:
    """The step of `filter_1`, `filter_2` or `filter_fx`; None if it is off."""
    draft = Draft(reading, module_title(name))
    if not reading.value(f"{name}_on"):
        return None
    _switch_on(draft, name)
    inputs = [module_title(player) for player in PLAYERS if _feeds(reading, player, name)]
    if inputs:
        draft.say(f"It filters {joined(inputs)}.")
    if name != "filter_fx" and draft.fact(f"{name}_filter_input"):
        other = 3 - int(name[-1])
        draft.say(f"Switch its input FIL{other} on, so that it also filters what comes from Filter {other}.")
    changed = [draft.fact(f"{name}_{control}") for control in ("model", "style")]
    model, style = value_text(reading.preset, f"{name}_model"), style_text(reading.preset, name)
    shape = filter_shape(reading.preset, name)
    kind = f": a {shape.replace(' between', ' filter between')}" if "pass" in shape else ""
    if model == "Diode":
        kind += ", whose blend takes lows away"
    draft.say(f"{'Choose' if any(changed) else 'Keep'} {model}, {style}{kind}.")
    for controls in ("cutoff resonance drive", "blend blend_transpose", "keytrack mix"):
        draft.set(*(f"{name}_{control}" for control in controls.split()))
    draft.set_rest(name)
    if {f"{name}_keytrack", f"{name}_cutoff"} <= draft.facts.keys():
        draft.say("The cutoff in Hz is that of middle C; it follows the keyboard.")
    return draft.step()


def _feeds(reading: Reading, player: str, name: str) -> bool:
    if name == "filter_fx" or not reading.value(f"{player}_on"):
        return False
    is_silent = reading.value(f"{player}_level") == 0 and f"{player}_level" not in reading.moved
    return not is_silent and reading.value(f"{player}_destination") in (int(name[-1]) - 1, _BOTH)


def _switch_on(draft: Draft, name: str) -> None:
    if fact := draft.fact(f"{name}_on"):
        where = "On the EFFECTS tab, switch" if name == "filter_fx" else "Switch"
        draft.say(f"{where} {module_title(name)} {fact.text}.")


def _switched_off(draft: Draft, name: str) -> Step | None:
    if not draft.fact(f"{name}_on"):
        return None
    draft.say(f"Switch {module_title(name)} off. The preset does not use it.")
    return draft.step()
