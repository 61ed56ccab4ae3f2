"""Derives a style tag and a short name for a patch from its parameters."""

from vjax.candidates.patch.describe_patch import oscillator_timbre
from vjax.sound.schema import N_OSCILLATORS
from vjax.vital.editability import carrying_routes
from vjax.vital.lfo_shapes import shape_values
from vjax.vital.preset import Preset
from vjax.vital.values import value_of

_BASS_NOTE = 48  # C3: a lower sound that is neither a hit nor a pad is a bass
_SHORT_S = 0.35  # a sound that has fallen by 30 dB before this is a hit
_FALLEN = 10 ** (-30 / 40)  # of an envelope: -30 dB
_FALLS = 0.62  # share of its decay, with the default power, until it reaches that
_SLOW_ATTACK_S = 0.15
_SUSTAINS = 0.5  # of an envelope: -12 dB
_OF_STYLE = {"SFX": "effect", "Percussion": "hit"}


def style_tag(preset: Preset, note: int) -> str:
    """Returns one of Vital's style tags, from the loudness envelope, the oscillators and the note."""
    attack_s, (decay_s, sustain) = value_of(preset, "env_1_attack") ** 4, _fall(preset)
    if sustain < _FALLEN and attack_s + _FALLS * decay_s < _SHORT_S:
        return "Percussion"
    if not _oscillators(preset):
        return "SFX"
    if sustain > _SUSTAINS and attack_s > _SLOW_ATTACK_S:
        return "Pad"
    if note < _BASS_NOTE:
        return "Bass"
    return "Lead" if sustain > _SUSTAINS else "Keys"


def short_name(preset: Preset, note: int) -> str:
    """Returns a few words, such as "Plucked saw bass": how the sound begins, its loudest table, its style."""
    style = style_tag(preset, note)
    attack_s, sustain = value_of(preset, "env_1_attack") ** 4, _fall(preset)[1]
    begins = "swelling" if attack_s > _SLOW_ATTACK_S else "plucked" if sustain <= _SUSTAINS else ""
    oscillators = sorted(_oscillators(preset), key=lambda i: -value_of(preset, f"osc_{i + 1}_level"))
    sounds = "" if oscillators else "noise"
    if oscillators:
        loudest = oscillators[0]
        timbre = oscillator_timbre(preset, loudest, note, value_of(preset, f"osc_{loudest + 1}_wave_frame"))
        sounds = timbre.label.removesuffix("-like") if timbre else ""
    parts = [begins if style != "Percussion" else "", sounds, _OF_STYLE.get(style, style.lower())]
    name = " ".join(part for part in parts if part)
    return name[0].upper() + name[1:]


def _oscillators(preset: Preset) -> list[int]:
    return [i for i in range(N_OSCILLATORS) if value_of(preset, f"osc_{i + 1}_on")]


def _fall(preset: Preset) -> tuple[float, float]:
    """Returns (seconds, remaining level) of the fall by envelope 1 and by drawn curves of the loudness."""
    seconds, left = value_of(preset, "env_1_decay") ** 4, value_of(preset, "env_1_sustain")
    for _, route in carrying_routes(preset):
        if route.destination == "voice_amplitude" and route.source.startswith("lfo_"):
            left *= float(shape_values(preset.lfo_shapes[int(route.source[-1]) - 1])[-1])
            seconds = max(seconds, 2.0 ** -value_of(preset, f"{route.source}_frequency"))
    return seconds, left
