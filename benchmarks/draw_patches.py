"""Random patches with known knobs for benchmarks/recovery.py, such as a sound designer might make."""

import dataclasses
import math
from collections.abc import Callable

import numpy as np

from vjax.vital.lfo_shapes import shape_json
from vjax.vital.preset import Preset, Route, init
from vjax.vital.values import with_routes, with_values
from vjax.vital.wavetables import FRAME, table_json

NOTES = (36, 43, 48, 52, 55, 60, 64, 67, 72)
"""MIDI notes that patches are played at."""


def draw_patch(rng: np.random.Generator) -> Preset:
    """A random patch: one or two constant tables, perhaps a low-pass, envelopes, and perhaps a few modules."""

    def seconds(low: float, high: float) -> float:
        """The knob of a time, uniform in the logarithm."""
        return float(np.exp(rng.uniform(math.log(low), math.log(high)))) ** 0.25

    values: dict[str, float] = {"osc_1_level": 0.35, **_draw_loudness(rng, seconds)}
    routes = []
    tables = [table_json("drawn", draw_cycle(rng)[None]) for _ in range(2)]
    if rng.random() < 0.25:
        values |= {"osc_2_on": 1, "osc_2_level": float(rng.uniform(0.2, 0.35)), "osc_2_destination": 0}
        values |= {"osc_2_transpose": int(rng.choice((-12, 0, 7, 12))), "osc_2_tune": float(rng.uniform(-0.1, 0.1))}
    if rng.random() < 0.25:
        cents = rng.uniform(8, 40)  # detune^2 * range, whose default is 2
        values |= {"osc_1_unison_voices": int(rng.integers(2, 8)), "osc_1_unison_detune": float((cents / 2) ** 0.5)}
    filtered = rng.random() < 0.8
    if filtered:
        cutoff, opens = rng.uniform(45, 90), rng.uniform(12, 60)
        values |= {
            "filter_1_on": 1,
            "filter_1_model": int(rng.choice((0, 3))),  # Analog, Digital
            "filter_1_style": int(rng.integers(2)),
            "filter_1_cutoff": float(cutoff),
            "filter_1_resonance": float(rng.uniform(0.1, 0.7)),
            "filter_1_keytrack": float(rng.choice((0, 0, 0.5, 1))),
        }
        if rng.random() < 0.7:
            values |= {
                "env_2_attack": seconds(0.02, 0.3) if rng.random() < 0.2 else seconds(0.001, 0.005),
                "env_2_decay": seconds(0.05, 1.5),
                "env_2_sustain": float(rng.uniform(0, 0.7)),
                "env_2_release": seconds(0.05, 0.5),
            }
            routes.append(Route("env_2", "filter_1_cutoff", float(min(opens, 125 - cutoff) / 128)))
    if rng.random() < 0.15:
        values |= {"sample_on": 1, "sample_level": float(rng.uniform(0.08, 0.25))}
    if rng.random() < 0.25:
        values |= {"reverb_on": 1, "reverb_dry_wet": float(rng.uniform(0.15, 0.4))}
        values["reverb_decay_time"] = float(rng.uniform(0, 2))
    shapes = init().lfo_shapes
    if rng.random() < 0.3:
        moved = str(rng.choice(("pitch", "level", "cutoff") if filtered else ("pitch", "level")))
        lowest, highest, destination, least, most = {
            "pitch": (4, 7, "voice_tune", 0.1, 0.4),  # of 2 semitones
            "level": (3, 8, "voice_amplitude", 0.15, 0.5),
            "cutoff": (0.5, 8, "filter_1_cutoff", 6 / 128, 24 / 128),
        }[moved]
        amount = float(rng.uniform(least, most))
        values |= {"lfo_1_sync": 0, "lfo_1_frequency": float(rng.uniform(math.log2(lowest), math.log2(highest)))}
        if moved == "level":  # down from the knob's value
            routes.append(Route("lfo_1", destination, -amount))
        else:
            routes.append(Route("lfo_1", destination, amount, bipolar=True))
        shapes = (shape_json("Sine", [(0, 0), (0.5, 1), (1, 0)], smooth=True), *shapes[1:])
    drawn = dataclasses.replace(init(), lfo_shapes=shapes, wavetables=(*tables, init().wavetables[2]))
    return with_routes(with_values(drawn, values), *routes)


def _draw_loudness(rng: np.random.Generator, seconds: Callable[[float, float], float]) -> dict[str, float]:
    """Envelope 1 of a pluck, of keys, or of a sustained sound."""
    kind = rng.choice(("pluck", "keys", "sustained"))
    return {
        "env_1_attack": seconds(0.005, 0.4) if kind == "sustained" else seconds(0.001, 0.01),
        "env_1_decay": seconds(0.1, 1.5),
        "env_1_sustain": {"pluck": 0.0, "keys": float(rng.uniform(0.3, 0.8)), "sustained": 1.0}[str(kind)],
        "env_1_release": seconds(0.03, 0.6),
    }


def draw_cycle(rng: np.random.Generator) -> np.ndarray:
    """[2048] a saw, a square, a triangle, a pulse, or harmonics at random along a slope."""

    phase = np.arange(FRAME) / FRAME
    kind = rng.choice(("saw", "square", "triangle", "pulse", "random"), p=(0.25, 0.15, 0.1, 0.15, 0.35))
    if kind == "random":
        number = np.arange(1, FRAME // 2)
        level_db = rng.uniform(-12, -3) * np.log2(number) + rng.normal(0, 4, len(number))
        spectrum = np.zeros(FRAME // 2 + 1, complex)
        spectrum[1:-1] = 10 ** (level_db / 20) * np.exp(2j * np.pi * rng.random(len(number)))
        cycle = np.fft.irfft(spectrum)
    else:
        width = 0.5 if kind == "square" else rng.uniform(0.1, 0.4)
        cycle = {
            "saw": 1 - 2 * phase,
            "triangle": 1 - 4 * np.abs(phase - 0.5),
        }.get(str(kind), np.where(phase < width, 1.0, -1.0))
    cycle = cycle - cycle.mean()
    return cycle / np.abs(cycle).max()
