"""Names of controls and modules as Vital's panel shows them."""

import re

from vjax.vital.preset import Preset, controls

# Labels that are not the control's own name. The longest matching end of a name counts.
_LABELS = {
    "dry_wet": "mix",
    "unison_voices": "unison voices",
    "random_phase": "phase randomization",
    "stereo_spread": "stereo unison",
    "frame_spread": "table spread",
    "stack_style": "stack",
    "midi_track": "note track",
    "smooth_interpolation": "hi-res wavetable",
    "spectral_morph_type": "spectral morph",
    "distortion_type": "wave morph",
    "distortion_amount": "wave morph amount",
    "distortion_phase": "wave morph phase",
    "distortion_spread": "wave morph spread",
    "transpose_quantize": "transpose snap",
    "destination": "output",
    "sync_type": "mode",
    "smooth_time": "smooth time",
    "fade_time": "fade-in time",
    "delay_time": "delay time",
    "keytrack_transpose": "transpose",
    "keytrack_tune": "tune",
    "keytrack": "key track",
    "blend_transpose": "blend offset",
    "formant_x": "formant X",
    "formant_y": "formant Y",
    "enabled_bands": "bands",
    "beats_per_minute": "tempo",
    "polyphony": "number of voices",
    "velocity_track": "velocity track",
    "pitch_bend_range": "bend range",
    "portamento_force": "always glide",
    "portamento_scale": "octave scale",
    "voice_priority": "note priority",
    "mpe_enabled": "MPE",
    "delay_1": "first delay",
    "delay_2": "second delay",
    "aux_tempo": "second tempo",
    "aux_sync": "second sync",
    "aux_frequency": "second frequency",
    "effect_chain_order": "order of the effects",
}
_MODULES = {"eq": "EQ", "filter_fx": "FX Filter", "global": ""}
_SOURCES = {"note_in_octave": "Note in Octave", "random": "Random"}

ADVANCED = re.compile(
    r"osc_\d_(stack_style|detune_range|unison_blend|stereo_spread|\w+_spread|midi_track|smooth_interpolation"
    r"|spectral_unison)|oversampling|mpe_enabled|voice_(priority|override|tune|transpose)"
)
"""Controls on Vital's ADVANCED tab."""


def label(name: str) -> str:
    """A control's name within its module: `filter_1_cutoff` is `cutoff`."""
    end = next((end for end in sorted(_LABELS, key=len, reverse=True) if _ends(name, end)), None)
    if end == "distortion_type" and name == end:  # the effect, not the oscillator's
        return "type"
    if end == "sync_type" and name.startswith("random_"):
        return "the SYNC button"
    if end:
        return _LABELS[end]
    module = controls().module(name)
    return (name if module == "global" else name.removeprefix(f"{module}_")).replace("_", " ")


def _ends(name: str, end: str) -> bool:
    return name == end or name.endswith(f"_{end}")


def module_title(module: str) -> str:
    """A module's name: `osc_1` is `Oscillator 1`."""
    if module in _MODULES:
        return _MODULES[module]
    for prefix, title in (("osc", "Oscillator"), ("env", "Envelope"), ("lfo", "LFO"), ("random", "Random LFO")):
        if re.fullmatch(rf"{prefix}_\d", module):
            return f"{title} {module[-1]}"
    return module.replace("_", " ").title()


def source_title(preset: Preset, source: str) -> str:
    """A modulation source's name; a macro's number and its own name."""
    if source.startswith("macro_control_"):
        return macro_title(preset, int(source[-1]))
    return _SOURCES.get(source) or module_title(source)


def macro_title(preset: Preset, number: int) -> str:
    """`Macro 1`, or `Macro 1 (BRIGHTNESS)` if it has a name of its own. `number` begins at 1."""
    name = macro_name(preset, number)
    return f"Macro {number} ({name})" if name else f"Macro {number}"


def macro_name(preset: Preset, number: int) -> str:
    """The own name of a macro, from 1; empty if it has none."""
    name = one_line(preset.macro_names[number - 1])
    return "" if name.upper() == f"MACRO {number}" else name


def control_title(preset: Preset, name: str) -> str:
    """A control's full name: `Filter 1 Cutoff`."""
    if name.startswith("macro_control_"):
        return macro_title(preset, int(name[-1]))
    short = re.sub(r"\b[a-z]", lambda first: first.group().upper(), label(name))
    return f"{module_title(controls().module(name))} {short}".strip()


def one_line(text: str) -> str:
    """A text of a preset without line breaks, control characters and repeated spaces."""
    return " ".join("".join(letter if letter.isprintable() else " " for letter in text).split())


def joined(parts: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
