"""The Vital engine. This is the only module that imports vita.

`render_notes` is a pure function of its arguments, bit for bit. This takes three measures (their effect was measured,
see docs/decisions, 1 and 2):

1. A Synth keeps state from earlier renders. Each note is therefore rendered by a process of its own, forked from one
   with an unused Synth (`prepare`). Forking copies that Synth in 1 ms, and building one takes 75 ms.
2. The engine seeds its generators from a process-wide counter. `seed` advances it by a fixed number of steps.
3. After a load, parameters glide for up to half a second of *sounding* voice. `settle` plays a silent note, which is
   discarded, while they arrive. The voice of this note stays in the delay stage of its amplitude envelope. So it runs,
   but puts nothing into the effects and leaves no tail.
"""

import base64
import functools
import importlib.metadata
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import vita

from vjax.engine.config import RenderConfig
from vjax.engine.isolate import Method, call_isolated, can_fork
from vjax.sound.routes import N_SLOTS
from vjax.sound.schema import N_OSCILLATORS

VERSION = f"vita {importlib.metadata.version('vita')}"

WARMUP_S = 0.5
"""Length of the discarded note: exact for 34 of the 37 shared presets that can be compared bit for bit.

In two presets, it leaves -90 and -96 dB of the glide, and in one slow kick -36 dB. A length of 1.0 s leaves a rest only
in the kick (-59 dB). 2.0 s leaves none and takes 0.1 s more per render (docs/decisions/0002-silent-warm-up.md).
"""

VARIATION_WARMUP_S = 0.1
"""Length of the discarded note where only control values were changed: as exact as 0.5 s, at a fifth of the cost."""

_REFUSED = "the engine refused the preset: a wavetable, LFO shape or sample of it is malformed"
_SILENCING_DELAY = 2**0.5  # env_1_delay's maximum: its fourth power is 4 s, longer than the discarded note
_ENGINE_SAMPLE_RATE = 44100  # a new Synth's rate


@functools.cache
def describe_controls() -> tuple[dict[str, Any], ...]:
    """Every control of the engine: `name, minimum, maximum, default, discrete, labels` (native units)."""
    synth = vita.Synth()
    controls = []
    for name in synth.get_controls():
        info = synth.get_control_details(name)
        controls.append(
            {
                "name": name,
                "minimum": float(info.min),
                "maximum": float(info.max),
                "default": float(info.default_value),
                "discrete": bool(info.is_discrete),
                "labels": tuple(info.options),
            }
        )
    return tuple(controls)


@functools.cache
def modulation_names() -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(source names, destination names) that a modulation route may connect."""
    return tuple(vita.get_modulation_sources()), tuple(vita.get_modulation_destinations())


@functools.cache
def init_preset() -> dict[str, Any]:
    """The engine's init patch as Vital JSON, the same in every process: `copy.deepcopy` it before changing it.

    Each new Synth generates its own white noise for the sample oscillator, from the process-wide counter. Here it is
    replaced by one fixed noise with the same level and distribution.
    """
    preset = json.loads(vita.Synth().to_json())
    sample = preset["settings"]["sample"]
    # NumPy guarantees the stream of raw bits. 16 of each 64 bits are one sample, uniform between -0.9 and 0.9.
    noise = (np.random.PCG64(0).random_raw(sample["length"]) >> np.uint64(48)).astype(np.uint16).view(np.int16)
    sample["samples"] = base64.b64encode((0.9 * noise).astype("<i2").tobytes()).decode("ascii")
    return preset


@functools.cache
def prepare() -> vita.Synth:
    """The Synth that children of this process inherit. Called once by the fork server (engine/preload.py)."""
    control_ranges()
    modulation_names()
    return vita.Synth()


@functools.cache
def control_ranges() -> dict[str, tuple[float, float]]:
    """(minimum, maximum) by control name, native units."""
    return {control["name"]: (control["minimum"], control["maximum"]) for control in describe_controls()}


def validate_preset(preset: Mapping[str, Any]) -> None:
    """Raises ValueError for values that the engine would accept and then render wrongly, or crash on.

    Each control of the engine must be a finite number inside its range. Each route must connect a source and a
    destination of the engine. Other settings are not checked, because the engine ignores them.
    """
    settings = preset["settings"]
    for name, (low, high) in control_ranges().items():
        value = settings.get(name, low)
        if not isinstance(value, (int, float)) or not math.isfinite(value):
            raise ValueError(f"{name} is {value!r}; it must be a finite number in [{low}, {high}]")
        slack = 1e-5 * (high - low)  # float32 rounding
        if not low - slack <= value <= high + slack:
            raise ValueError(f"{name} is {value}; it must lie in [{low}, {high}]. Clip it before rendering")
    n_routes = len(settings.get("modulations", ()))
    if n_routes > N_SLOTS:
        raise ValueError(f"the preset has {n_routes} modulation slots; Vital has {N_SLOTS}, and crashes on more")
    sources, destinations = map(frozenset, modulation_names())
    for slot, route in enumerate(settings.get("modulations", ()), start=1):
        for kind, names in (("source", sources), ("destination", destinations)):
            if route.get(kind, "") and route[kind] not in names:
                raise ValueError(f"modulation slot {slot}: {kind} {route[kind]!r} does not exist in {VERSION}")


def render_notes(preset: Mapping[str, Any], notes: Sequence[int], config: RenderConfig, seed: int = 0) -> np.ndarray:
    """Renders one preset at several MIDI notes; a unit of work for a fresh process (see engine/pool.py).

    The preset is loaded once. Each note is then played in a fork of the loaded state, so that no note affects another.
    Where processes cannot fork, each note has a process that loads the preset.

    Args:
      preset: Vital JSON.
      notes: MIDI note numbers.
      config: how to play.
      seed: position of the engine's random generators; each step costs 9 ms.

    Returns:
      float32 [len(notes), 2, samples].

    Raises:
      ValueError: the preset contains a value or a route name that the engine cannot use.
      IsolatedCallError: a note crashed the engine or took longer than `config.timeout_s`.
    """
    if can_fork():
        perform = functools.partial(play, load(preset, config, seed))
    else:
        perform = functools.partial(_load_and_play, preset, seed)
    isolated = functools.partial(call_isolated, perform, timeout_s=config.timeout_s, method="fork")
    return np.stack([isolated(note, config) for note in notes])


def _load_and_play(preset: Mapping[str, Any], seed: int, note: int, config: RenderConfig) -> np.ndarray:
    return play(load(preset, config, seed), note, config)


def load(preset: Mapping[str, Any], config: RenderConfig, seed: int = 0) -> vita.Synth:
    """This process's Synth with a preset loaded, ready for `play`. Arguments and errors as in `render_notes`.

    A process has only one Synth: call this at most once in each process.
    """
    validate_preset(preset)
    synth = prepare()
    if config.sample_rate != _ENGINE_SAMPLE_RATE:
        synth.set_sample_rate(config.sample_rate)
    for _ in range(seed):
        synth.load_init_preset()
    if not synth.load_json(json.dumps(preset)):
        raise ValueError(_REFUSED)
    return synth


def reloaded(preset: Mapping[str, Any]) -> dict[str, Any]:
    """Vital JSON that the engine writes after it loaded a preset, whose older version it converts.

    Run it in a process of its own: it is for presets that were not checked. Raises ValueError if the engine refuses it.
    """
    synth = prepare()
    if not synth.load_json(json.dumps(preset)):
        raise ValueError(_REFUSED)
    return json.loads(synth.to_json())


def play(synth: vita.Synth, note: int, config: RenderConfig) -> np.ndarray:
    """float32 [2, samples] of the loaded preset. The Synth keeps state from it: play in a fork of its process."""
    settle(synth, note, config.velocity)
    return synth.render(note, config.velocity, config.note_s, config.seconds)


def play_variation(synth: vita.Synth, note: int, config: RenderConfig, values: Mapping[str, float]) -> np.ndarray:
    """As `play`, but sets some controls to native `values` first. Call `settle` on the Synth before.

    See `validate_values`. From settled values to other values nearby, `VARIATION_WARMUP_S` is long enough.
    """
    controls = synth.get_controls()
    for name, value in values.items():
        controls[name].set(value)
    settle(synth, note, config.velocity, VARIATION_WARMUP_S)
    return synth.render(note, config.velocity, config.note_s, config.seconds)


def load_and_play_variation(
    preset: Mapping[str, Any], seed: int, note: int, config: RenderConfig, values: Mapping[str, float]
) -> np.ndarray:
    """As `play_variation`, in a process that has not loaded the preset."""
    synth = load(preset, config, seed)
    settle(synth, note, config.velocity)
    return play_variation(synth, note, config, values)


def validate_values(values: Mapping[str, float]) -> None:
    """Raises ValueError for an unknown control, NaN, or a value out of its range: the engine accepts them."""
    ranges = control_ranges()
    for name, value in values.items():
        if name not in ranges:
            raise ValueError(f"the engine has no control {name!r}")
        low, high = ranges[name]
        if not low <= value <= high:  # false for NaN too
            raise ValueError(f"{name} is {value}; it must lie in [{low}, {high}]")


def settle(synth: vita.Synth, note: int, velocity: float, warmup_s: float = WARMUP_S) -> None:
    """Plays a silent note, which is discarded, so that all parameters glide to their values."""
    controls = synth.get_controls()
    kept = {name: controls[name].value() for name in ("env_1_delay", "env_1_release")}
    controls["env_1_delay"].set(_SILENCING_DELAY)
    controls["env_1_release"].set(0.0)
    synth.render(note, velocity, warmup_s, warmup_s)
    for name, value in kept.items():
        controls[name].set(value)


def render_cycles(table: Mapping[str, Any], positions: Sequence[float], note: int, seconds: float) -> np.ndarray:
    """[len(positions), samples] float32: a wavetable at each frame position, dry, with one voice.

    Run it in a process of its own: a malformed table may crash the engine. Raises ValueError as `render_notes` does.
    """
    synth = prepare()
    preset = {**init_preset(), "settings": {**init_preset()["settings"], "wavetables": [table] * N_OSCILLATORS}}
    preset["settings"] |= {"osc_1_random_phase": 0.0, "env_1_attack": 0.0, "env_1_sustain": 1.0}
    validate_preset(preset)
    if not synth.load_json(json.dumps(preset)):
        raise ValueError(_REFUSED)
    frame, cycles = synth.get_controls()["osc_1_wave_frame"], []
    for position in positions:
        frame.set(float(position))
        synth.render(note, 1.0, 0.1, 0.1)  # the frame glides to its position
        cycles.append(synth.render(note, 1.0, seconds, seconds)[0])
    return np.stack(cycles)


def start_method() -> Method:
    """How fresh processes start here: `forkserver` where processes can fork, else `spawn` (same bits, slower)."""
    return "forkserver" if can_fork() else "spawn"
