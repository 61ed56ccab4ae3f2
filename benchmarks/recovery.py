"""Measures whether an explained patch finds the knobs: synthetic patches with known knobs, fitted from their sound.

    python benchmarks/recovery.py                                     # 200 patches; hours; continues after a kill
    python benchmarks/recovery.py --patches 20 --out runs/recovery    # a first look
    python benchmarks/recovery.py --fit mymodule:explain              # explain(clip, pool, note) -> Preset

Each patch is drawn from a seed of its own (`draw_patch`) and rendered by the engine. The fitting function gets the clip
and its note. recovery.jsonl has one line per patch; patches in it are not fitted again. Reported are the shares of
patches with

- the cutoff within 2 semitones 20 ms after the start, where it is furthest open, and at the last audible moment before
  note-off;
- the times of the envelopes within a third of an octave. A decay or a release is compared by the time of half its way,
  because a bend can replace a length. Attacks under 10 ms count as 10 ms;
- the slope of the filter, 12 or 24 dB, where both have a low-pass;

and for each module F1, with the numbers of patches that have it, where it was found, and both. Inaudible true values
(the decay of a full sustain) are left out; a filter or an envelope that was not found is a miss.
"""

import argparse
import importlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from draw_patches import NOTES, draw_patch

from vjax.audio.clip import Clip, make_clip
from vjax.audio.distances import mss
from vjax.audio.silence import is_silent
from vjax.candidates.patch.low_pass import CUTOFF_SPAN, cutoff_at_rest, main_low_pass
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool
from vjax.io.json_lines import append_line, read_lines
from vjax.io.progress import progress_bar
from vjax.vital.editability import carrying_routes
from vjax.vital.laws import envelope
from vjax.vital.lfo_shapes import shape_values
from vjax.vital.preset import Preset
from vjax.vital.units import plays_once
from vjax.vital.values import value_of

FIT = "vjax.candidates.patch.explain:explain"
SEMITONES, OCTAVES = 2.0, 1 / 3
VELOCITY = 0.8
CUTOFFS = ("cutoff_start", "cutoff_peak", "cutoff_end")  # semitones, found minus true
TIMES = ("env_1_attack", "env_1_decay", "env_1_release", "env_2_decay")  # octaves, found minus true
MODULES = ("filter", "oscillator_2", "noise", "unison", "reverb", "lfo_level", "lfo_pitch", "lfo_cutoff")

_AUDIBLE = 10 ** (-40 / 40)  # of envelope 1: 40 dB below its peak
_SHORTEST_S = 0.01
_START_S, _STEP_S = 0.02, 0.005
_OPEN = 135.0  # MIDI pitch of 20 kHz: a filter further open is as open
_SIDE = 0.9  # of a pan: two such oscillators are the two channels of one


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patches", type=int, default=200, help="number of patches, equal for equal seeds")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--fit", default=FIT, help="module:function, default %(default)s")
    parser.add_argument("--out", type=Path, default=Path("runs/recovery"))
    parser.add_argument("--json", type=Path, help="write the table's numbers to this file")
    arguments = parser.parse_args()
    module, _, function = arguments.fit.partition(":")
    fit = getattr(importlib.import_module(module), function)
    arguments.out.mkdir(parents=True, exist_ok=True)
    log = arguments.out / "recovery.jsonl"
    measure(fit, arguments.patches, arguments.seed, log)
    rows = [row for row in read_lines(log) if row["seed"] == arguments.seed and row["patch"] < arguments.patches]
    table = summary(rows)
    _print(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1))


def measure(fit: Callable[[Clip, RenderPool, int], Preset], patches: int, seed: int, log: Path) -> None:
    """Fits patches 0 to `patches` - 1, and appends a line for each that `log` lacks."""
    done = {(row["seed"], row["patch"]) for row in read_lines(log)}
    left = [number for number in range(patches) if (seed, number) not in done]
    with RenderPool(RenderConfig(velocity=VELOCITY)) as pool:
        config = pool.config
        for number in progress_bar(left, desc="recovery", unit="patch"):
            rng = np.random.default_rng((seed, number))
            truth, note = draw_patch(rng), int(rng.choice(NOTES))
            row = {"seed": seed, "patch": number, "note": note}
            played = pool.render(RenderJob(truth.to_json(), (note,)))
            if played.audio is None or is_silent(played.audio[0]):
                row["error"] = played.error or "silent"
            else:
                audio = played.audio[0]
                found = fit(make_clip(audio, config.sample_rate, config.samples, f"patch {number}"), pool, note)
                again = pool.render(RenderJob(found.to_json(), (note,), seed=1))
                row |= recovered(truth, found, note, config.note_s)
                if again.audio is not None:
                    row["mss"] = _number(mss(again.audio[0], audio, config.sample_rate))
            append_line(log, row)


def recovered(truth: Preset, found: Preset, note: int, note_s: float = 1.5) -> dict:
    """Compares a found patch with the true one.

    Returns:
      CUTOFFS in semitones and TIMES in octaves, found minus true: None where it was not found; left out where
      the truth has none that is audible. `slope`: whether it is right. `true` and `found`: modules that are on.
    """
    time_s = np.arange(_START_S, note_s, _STEP_S)
    loud = _envelope(truth, "env_1", time_s, note_s)
    last = int(np.flatnonzero(loud >= _AUDIBLE * loud.max()).max())
    row: dict = {"true": modules(truth), "found": modules(found)}
    low_passes = main_low_pass(truth), main_low_pass(found)
    if low_passes[0]:
        paths = [cutoff_path(preset, note, time_s, note_s) for preset in (truth, found)]
        peak = int(np.argmax(paths[0][: last + 1]))
        for name, at in zip(CUTOFFS, (0, peak, last), strict=True):
            row[name] = _number(paths[1][at] - paths[0][at])
    if all(low_passes):
        styles = [value_of(p, f"{name}_style") for p, name in zip((truth, found), low_passes, strict=True)]
        row["slope"] = bool(styles[0] == styles[1])
    is_audible = {"env_1_attack": True, "env_1_decay": value_of(truth, "env_1_sustain") < 0.9}
    is_audible["env_1_release"] = loud[-1] >= _AUDIBLE * loud.max()
    is_audible["env_2_decay"] = _moves_filter(truth) and value_of(truth, "env_2_sustain") < 0.9
    for name in (name for name in TIMES if is_audible[name]):
        # A decay from full sustain to full sustain, or of an envelope without a route, was not found.
        falls = not name.endswith("decay") or value_of(found, f"{name[:5]}_sustain") < 0.95
        was_found = falls and (name != "env_2_decay" or _moves_filter(found))
        octaves = math.log2(_half_s(found, name) / _half_s(truth, name)) if was_found else math.nan
        row[name] = _number(octaves)
    return row


def cutoff_path(preset: Preset, note: int, time_s: np.ndarray, note_s: float) -> np.ndarray:
    """[t] MIDI pitch of the low-pass at `VELOCITY`, with envelopes and drawn curves; NaN without a low-pass.

    An LFO that repeats counts as its mean.
    """
    low_pass = main_low_pass(preset)
    if low_pass is None:
        return np.full(len(time_s), math.nan)
    path = np.full(len(time_s), cutoff_at_rest(preset, low_pass, note, VELOCITY))
    for route in preset.routes:
        if route is None or route.bypass or route.destination != f"{low_pass}_cutoff":
            continue
        if route.source.startswith("env_"):
            moved = _envelope(preset, route.source, time_s, note_s)
        elif route.source.startswith("lfo_"):
            shape = shape_values(preset.lfo_shapes[int(route.source[-1]) - 1])
            moved = np.full(len(time_s), shape.mean())
            if plays_once(preset, route.source):
                phase = np.clip(time_s * 2 ** value_of(preset, f"{route.source}_frequency"), 0, 1)
                moved = np.interp(phase, np.linspace(0, 1, len(shape)), shape)
        else:
            continue
        path += CUTOFF_SPAN * route.amount * (moved - 0.5 * route.bipolar)
    return np.clip(path, 8.0, _OPEN)


def modules(preset: Preset) -> list[str]:
    """Those of MODULES that are on."""
    on = [f"osc_{i}" for i in (1, 2, 3) if value_of(preset, f"osc_{i}_on")]
    middle = [name for name in on if abs(value_of(preset, f"{name}_pan")) < _SIDE]
    repeating = [
        route.destination
        for _, route in carrying_routes(preset)
        if route.source.startswith("lfo_") and not plays_once(preset, route.source)
    ]
    state = {
        "filter": main_low_pass(preset) is not None,
        "oscillator_2": len(middle) + (len(middle) < len(on)) > 1,
        "noise": value_of(preset, "sample_on"),
        "unison": any(value_of(preset, f"{name}_unison_voices") > 1 for name in on),
        "reverb": value_of(preset, "reverb_on") and value_of(preset, "reverb_dry_wet") > 0,
        "lfo_level": any(name.endswith(("_level", "voice_amplitude", "volume")) for name in repeating),
        "lfo_pitch": any(name.endswith(("_tune", "_transpose")) for name in repeating),
        "lfo_cutoff": any(name.endswith("_cutoff") for name in repeating),
    }
    return [name for name in MODULES if state[name]]


def summary(rows: list[dict]) -> dict:
    """Shares by name with their n, and F1 of each module with its counts."""
    fitted = [row for row in rows if "error" not in row]
    shares = {}
    for name in (*CUTOFFS, *TIMES, "slope"):
        values = [row[name] for row in fitted if name in row]
        limit = SEMITONES if name in CUTOFFS else OCTAVES
        right = [v if name == "slope" else v is not None and abs(v) <= limit for v in values]
        shares[name] = {"share": float(np.mean(right)) if right else None, "n": len(right)}
    states = {}
    for name in MODULES:
        both = sum(name in row["true"] and name in row["found"] for row in fitted)
        true, found = (sum(name in row[side] for row in fitted) for side in ("true", "found"))
        f1 = 2 * both / (true + found) if true + found else None
        states[name] = {"f1": f1, "true": true, "found": found, "both": both}
    distances = [row["mss"] for row in fitted if row.get("mss") is not None]
    mss_db = {"median": float(np.median(distances)), "mean": float(np.mean(distances))} if distances else None
    return {"patches": len(rows), "not_fitted": len(rows) - len(fitted), "mss_db": mss_db} | {
        "shares": shares,
        "modules": states,
    }


def _print(table: dict) -> None:
    print(f"{table['patches']} patches, {table['not_fitted']} of them silent or not rendered")
    if table["mss_db"]:
        print(f"MSS {table['mss_db']['median']:.2f} dB median, {table['mss_db']['mean']:.2f} mean, with another seed")
    for name, one in table["shares"].items():
        right = "-" if one["share"] is None else f"{100 * one['share']:.0f} %"
        print(f"{name:16} right {right:>6} of {one['n']}")
    for name, one in table["modules"].items():
        f1 = "-" if one["f1"] is None else f"{one['f1']:.2f}"
        print(f"{name:16} F1 {f1:>6}  true {one['true']}, found {one['found']}, both {one['both']}")


def _envelope(preset: Preset, name: str, time_s: np.ndarray, note_s: float) -> np.ndarray:
    """[t] in [0, 1]."""
    times = [value_of(preset, f"{name}_{stage}") ** 4 for stage in ("delay", "attack", "hold", "decay")]
    powers = [value_of(preset, f"{name}_{stage}_power") for stage in ("attack", "decay", "release")]
    sustain, release_s = value_of(preset, f"{name}_sustain"), value_of(preset, f"{name}_release") ** 4
    return np.asarray(envelope(time_s, note_s, *times, sustain, release_s, *powers))


def _half_s(preset: Preset, name: str) -> float:
    """Seconds until a stage of an envelope has gone half its way, at least those of a stage of 10 ms."""
    power = value_of(preset, f"{name}_power") * (-1 if name.endswith("attack") else 1)
    half = 0.5 if abs(power) < 0.01 else math.log1p(math.expm1(power) / 2) / power
    return max(half * value_of(preset, name) ** 4, 0.5 * _SHORTEST_S)


def _moves_filter(preset: Preset) -> bool:
    return any(r and r.source == "env_2" and r.destination == f"{main_low_pass(preset)}_cutoff" for r in preset.routes)


def _number(value) -> float | None:
    return float(value) if np.isfinite(value) else None


if __name__ == "__main__":
    main()
