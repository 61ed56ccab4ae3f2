"""Explains a preset: an ordered tutorial that builds it from Vital's init preset.

Every sentence is made by rule from the preset. Modules that make no difference are left out, and so are values that the
init preset has too. A test follows the facts of tutorials and renders the same sound as the presets.
"""

from vjax.vital.preset import Preset
from vjax.vital.tutorial.draft import Draft, Reading
from vjax.vital.tutorial.effects import effects
from vjax.vital.tutorial.sources import (
    ENVELOPES,
    LFOS,
    MACROS,
    PLAYED,
    RANDOMS,
    amounts_of_routes,
    envelope,
    lfo,
    macro,
    played,
    random_lfo,
)
from vjax.vital.tutorial.steps import Step, Tutorial
from vjax.vital.tutorial.voices import OSCILLATORS, filter_step, oscillator, sample


def explain(preset: Preset) -> Tutorial:
    """Returns the steps that build a preset from Vital's init preset, in the order of a musician's work."""
    reading = Reading.of(preset)
    steps = [oscillator(reading, name) for name in OSCILLATORS]
    steps.append(sample(reading))
    steps += [filter_step(reading, name) for name in ("filter_1", "filter_2")]
    steps += [envelope(reading, name) for name in ENVELOPES]
    steps += [lfo(reading, name) for name in LFOS]
    steps += [random_lfo(reading, name) for name in RANDOMS]
    steps += [played(reading, name) for name in PLAYED]
    steps += effects(reading)
    steps += [macro(reading, name) for name in MACROS]
    steps.append(amounts_of_routes(reading))
    made = [step for step in steps if step]
    made += _rest(reading, made)
    return Tutorial(
        name=preset.name,
        author=preset.author,
        style=preset.style,
        steps=(_start(made), *made),
        notes=preset.notes,
    )


def _start(steps: list[Step]) -> Step:
    sentences = ["Open the menu beside Vital's preset name and choose Initialize Preset."]
    kinds = {part.name.rpartition("_")[2] for step in steps for part in step.parts}
    words = [word for kind, word in (("wavetable", "wavetables"), ("shape", "LFO shapes")) if kind in kinds]
    if words:
        sentences.append(
            f"The preset file contains {' and '.join(words)} that the steps below name. To copy one, open the preset "
            "in a second Vital and right-click the picture of the wavetable or the LFO: Copy there, Paste here."
        )
    return Step("Start", tuple(sentences))


def _rest(reading: Reading, made: list[Step]) -> list[Step]:
    """Steps for the voice, the tempo and the volume, and for all that no other step has stated."""
    voice = Draft(reading, "Voice")
    voice.set("voice_transpose", "voice_tune", "polyphony", "legato", "velocity_track", "pitch_bend_range")
    voice.set("portamento_time", "portamento_slope", "portamento_force", "portamento_scale")
    tempo = Draft(reading, "Tempo")
    if fact := tempo.fact("beats_per_minute"):
        tempo.say(f"Set the tempo to {fact.text}. In a plug-in, this is the tempo of your project.")
    volume = Draft(reading, "Volume")
    volume.set("volume")
    taken = {fact.control for step in made for fact in step.facts}
    taken |= {*tempo.facts, *volume.facts, *voice.facts}
    voice.set(*sorted(reading.changed - taken))
    return [draft.step() for draft in (voice, tempo, volume) if draft.sentences]
