"""Tries modules on a patch by rendering them: unison, noise, an effect or another filter model.

A module is kept only if it lowers the distance by more than `EARNS_DB`, the cost of its complexity. The distance is the
mean over two seeds of the engine.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from vjax.audio.distances import mss
from vjax.candidates.patch.rhythm import with_drawn_loops, with_rhythm
from vjax.candidates.patch.spectrogram import Spectrogram, at_level_of
from vjax.candidates.patch.write import OSCILLATOR_LEVEL, analog_resonance
from vjax.engine.pool import RenderJob, RenderPool
from vjax.search.target import Sought
from vjax.vital.editability import MOST_EFFECTS, editability
from vjax.vital.laws import ANALOG, DIGITAL
from vjax.vital.level import level_range_db
from vjax.vital.preset import Preset
from vjax.vital.values import value_of, with_values

EARNS_DB = 0.15
"""By which a module must lower the distance."""

MOST_MODULES = 2
RHYTHM = "rhythm"

_NEAR_DB = 1.0  # nearer patches need no module
_SEEDS = (0, 1)
_CLOSE = 3  # best trials with the first seed, which are then rendered with both seeds
_VOICES_DETUNE = ((3, 2.5), (6, 4.0))  # detune d spreads voices by +-2 d^2 cents
_NOISE_LEVELS = (0.06, 0.2)  # for oscillators at OSCILLATOR_LEVEL
_FILTER_1, _EFFECTS = 0, 3  # sample_destination


class Improved(NamedTuple):
    """A patch with its modules, their names, its distance in dB (MSS) and the number of renders that this took."""

    preset: Preset
    modules: tuple[str, ...]
    distance_db: float
    evals: int


def with_best_rhythm(
    preset: Preset, rendered: Spectrogram, sound: Spectrogram, sought: Sought, pool: RenderPool
) -> Improved:
    """Returns the patch with loops in place of curves that repeat, or with a rhythm on top, if that is worth its cost.

    Args:
      rendered: spectrogram of the patch's render.
      sound: spectrogram of the target.
    """
    loops = with_drawn_loops(preset, sought.note_s)
    rhythms = with_rhythm(preset, sound, rendered, sought.note_s)
    distances = _distances([preset, *loops, *rhythms], sought, pool).mean(1)
    # A loop in place of a drawn curve is simpler, so its distance may be slightly larger. A rhythm on top must lower
    # the distance.
    costs = np.array([0.0, *[-EARNS_DB] * len(loops), *[EARNS_DB] * len(rhythms)])
    best = int(np.argmin(distances + costs))
    added = (RHYTHM,) if best else ()
    return Improved([preset, *loops, *rhythms][best], added, float(distances[best]), len(_SEEDS) * len(distances))


def with_modules(preset: Preset, sought: Sought, pool: RenderPool) -> Improved:
    """Returns the patch with at most `MOST_MODULES` modules, each of which lowers the distance enough."""
    now_db, evals = float(_distances([preset], sought, pool).mean()), len(_SEEDS)
    added: list[str] = []
    while len(added) < MOST_MODULES and _NEAR_DB < now_db < np.inf:
        trials = {name: trial for name, trial in _trials(preset).items() if name.split(":")[0] not in added}
        if not trials:
            break
        first = dict(zip(trials, _distances(list(trials.values()), sought, pool, _SEEDS[:1])[:, 0], strict=True))
        close = sorted(first, key=first.__getitem__)[:_CLOSE]
        both = _distances([trials[name] for name in close], sought, pool).mean(1)
        evals += len(trials) + len(close) * len(_SEEDS)
        best = int(np.argmin(both))
        if not both[best] < now_db - EARNS_DB:
            break
        preset, now_db = trials[close[best]], float(both[best])
        added.append(close[best].split(":")[0])
    return Improved(preset, tuple(added), now_db, evals)


def _trials(preset: Preset) -> dict[str, Preset]:
    """Returns presets with one more module, by the module's name and setting."""
    made: dict[str, Preset] = {}

    def add(name: str, values: Mapping[str, float]) -> None:
        made[name] = with_values(preset, values)

    on = [i for i in (1, 2, 3) if value_of(preset, f"osc_{i}_on")]
    for voices, detune in _VOICES_DETUNE:
        spread = {"unison_voices": voices, "unison_detune": detune}
        add(f"unison:{voices}", {f"osc_{i}_{knob}": value for i in on for knob, value in spread.items()})
    filtered = bool(value_of(preset, "filter_1_on"))
    for level in _NOISE_LEVELS:
        for destination in (_FILTER_1, _EFFECTS) if filtered else (_EFFECTS,):
            beside = level * value_of(preset, "osc_1_level") / OSCILLATOR_LEVEL
            noise = {"sample_on": 1, "sample_level": beside, "sample_destination": destination}
            add(f"noise:{level} {destination}", noise)
    if filtered and value_of(preset, "filter_1_model") == DIGITAL:
        q = 0.5 + 15.5 * value_of(preset, "filter_1_resonance") ** 3
        add("Analog filter", {"filter_1_model": ANALOG, "filter_1_resonance": analog_resonance(q)})
    if editability(preset).effects < MOST_EFFECTS:
        effects = {
            "chorus": {"chorus_on": 1, "chorus_dry_wet": 0.4},
            "reverb": {"reverb_on": 1, "reverb_dry_wet": 0.3, "reverb_decay_time": 0.5},
            "delay": {"delay_on": 1, "delay_dry_wet": 0.25, "delay_feedback": 0.4},
            "distortion": {"distortion_on": 1, "distortion_drive": 8.0, "distortion_mix": 1.0},
        }
        for name, values in effects.items():
            switch = next(iter(values))
            if not value_of(preset, switch):
                add(name, values)
    return made


def _distances(
    presets: Sequence[Preset], sought: Sought, pool: RenderPool, seeds: Sequence[int] = _SEEDS
) -> np.ndarray:
    """Returns MSS [presets, seeds] in dB at the sound's level. It is infinite for silent or failed renders."""
    jobs = [RenderJob(one.to_json(), (sought.note,), seed, sought.note_s) for one in presets for seed in seeds]
    found = np.full(len(jobs), np.inf)
    for i, rendering in enumerate(pool.map(jobs)):
        if rendering.audio is not None:
            preset = presets[i // len(seeds)]
            audio = at_level_of(rendering.audio[0], sought.audio, level_range_db(preset)[1])
            found[i] = np.nan_to_num(mss(audio, sought.audio, sought.sample_rate), nan=np.inf)
    return found.reshape(len(presets), len(seeds))
