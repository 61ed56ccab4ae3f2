"""Steps for what moves other controls: envelopes, LFOs, random LFOs, macros, and what is played."""

from vjax.vital.lfo_shapes import shape_key
from vjax.vital.preset import init
from vjax.vital.tutorial.contents import shape_text
from vjax.vital.tutorial.draft import Draft, Reading
from vjax.vital.tutorial.routes import connect, points_at_route
from vjax.vital.tutorial.steps import Part, Step
from vjax.vital.tutorial.words import macro_name, module_title, source_title

ENVELOPES = tuple(f"env_{i}" for i in range(1, 7))
LFOS = tuple(f"lfo_{i}" for i in range(1, 9))
RANDOMS = tuple(f"random_{i}" for i in range(1, 5))
MACROS = tuple(f"macro_control_{i}" for i in range(1, 5))
PLAYED = (
    *("velocity", "note", "note_in_octave", "mod_wheel", "pitch_wheel", "aftertouch", "slide", "lift"),
    *("random", "stereo"),
)

# What an LFO does in each mode, `lfo_N_sync_type`.
_MODES = (
    "it starts again with each note",
    "it follows the position in the song",
    "it plays its shape once for each note",
    "it plays its shape up to the phase and waits there until the key is released",
    "it plays its shape once, then repeats the part after the phase",
    "it repeats the part before the phase while the key is down",
)


# What a source is that a beginner may not know. All go from 0 to 1.
_PLAYED_TEXTS = {
    "note": "It grows with the key, from 0 at the lowest to 1 at the highest MIDI note.",
    "note_in_octave": "It grows from the C to the B of each octave.",
    "pitch_wheel": "It is at 0.5 while the wheel rests.",
    "random": "It is a new random value for each note.",
    "stereo": "It is 1 in the left channel and 0 in the right.",
}


def envelope(reading: Reading, name: str) -> Step | None:
    """The step of an envelope; None if there is nothing to do."""
    draft = Draft(reading, f"{module_title(name)} (loudness)" if name == "env_1" else module_title(name))
    draft.set(*(f"{name}_{stage}" for stage in ("delay", "attack", "hold", "decay", "sustain", "release")))
    draft.set_rest(name)
    return _with_routes(draft, name)


def lfo(reading: Reading, name: str) -> Step | None:
    """The step of an LFO; None if it moves nothing."""
    draft = Draft(reading, module_title(name))
    number = int(name[-1]) - 1
    shape = reading.preset.lfo_shapes[number]
    if _moves(reading, name) and shape_key(shape) != shape_key(init().lfo_shapes[number]):
        part = Part(f"{name}_shape", shape_text(shape))
        draft.parts.append(part)
        draft.say(f"Give it this shape, as in the preset file: {part.text}.")
    mode = draft.fact(f"{name}_sync_type")
    if mode:
        draft.say(f"Set the mode to {mode.text}: {_MODES[int(reading.value(mode.control))]}.")
    draft.set(*(f"{name}_{rate}" for rate in ("sync", "tempo", "frequency", "keytrack_transpose", "keytrack_tune")))
    smooth = draft.fact(f"{name}_smooth_mode")
    if smooth:
        draft.say(f"Click the label of its first knob and choose {smooth.text}.")
    draft.set_rest(name)
    return _with_routes(draft, name)


def random_lfo(reading: Reading, name: str) -> Step | None:
    """The step of a random LFO; None if it moves nothing."""
    draft = Draft(reading, module_title(name))
    draft.set(*(f"{name}_{control}" for control in ("style", "sync", "tempo", "frequency")))
    draft.set_rest(name)
    return _with_routes(draft, name)


def macro(reading: Reading, name: str) -> Step | None:
    """The step of a macro; None if it moves nothing."""
    number = int(name[-1])
    own = macro_name(reading.preset, number)
    draft = Draft(reading, f"Macro {number}{f': {own}' if own else ''}")
    if own and _moves(reading, name):
        draft.say(f"Rename Macro {number} to {own!r}.")
    value = draft.fact(name)
    if value:
        draft.say(f"Turn it to {value.text}.")
    return _with_routes(draft, name)


def played(reading: Reading, name: str) -> Step | None:
    """The step of a source that is played, such as the velocity; None if it moves nothing."""
    draft = Draft(reading, source_title(reading.preset, name))
    if name == "mod_wheel" and (wheel := draft.fact(name)):
        draft.say(f"Move it to {wheel.text}.")
    if name in _PLAYED_TEXTS and _moves(reading, name):
        draft.say(_PLAYED_TEXTS[name])
    return _with_routes(draft, name)


def amounts_of_routes(reading: Reading) -> Step | None:
    """The step of the routes whose destinations are other routes; None if there are none."""
    draft = Draft(reading, "Amounts of routes")
    for slot, route in reading.routes:
        if points_at_route(route):
            connect(draft, slot, route)
    return draft.step() if draft.sentences else None


def _moves(reading: Reading, source: str) -> bool:
    return any(route.source == source for _, route in reading.routes)


def _with_routes(draft: Draft, source: str) -> Step | None:
    routes = [(slot, route) for slot, route in draft.reading.routes if route.source == source]
    now = [(slot, route) for slot, route in routes if not points_at_route(route)]
    for slot, route in now:
        connect(draft, slot, route)
    if routes and not now:
        draft.say("A later step connects it.")
    return draft.step() if draft.sentences else None
