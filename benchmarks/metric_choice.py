"""Which metrics should lead the tables: how well each orders sounds whose order is known.

    python benchmarks/metric_choice.py edits PRESETS... --out runs/metrics    # turns one control further and further
    python benchmarks/metric_choice.py ratings RATINGS.csv                    # people's judgements

`edits` turns one control of a preset in four steps (a filter's cutoff, the attack, the tuning ...) and renders each
step with the real engine. A metric is right about two steps if the larger one is farther from the original. Step 0 is
the re-render reference: the same preset with other random phases. Cells are the shares of right pairs (0.5 is chance),
with 95 % bootstrap intervals over the presets. Rows in OUT/edits.jsonl are not computed again. `--cdpam` adds CDPAM,
see benchmarks/objectives.py.

`ratings` reads a CSV with the columns set, a, b, dissimilarity: two sound files beside it, and how unlike people found
them. Cells are the mean over the sets of Spearman's rank correlation within a set, with the interval over the sets.
Such data do not come with vjax. The package timbremetrics collects public ones: 21 sets with 2,614 ratings.

`a + b` is the sum of two metrics, each divided by its median over all pairs.
"""

import argparse
import csv
import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

STEPS = 4
_NOTE = 48
_SUMS = (("mss", "rse"), ("mss", "attack_centroid"), ("mss", "rse", "attack_centroid"), ("mss", "wmfcc"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(dest="command", required=True)
    edits = commands.add_parser("edits", help="by known edits of presets")
    edits.add_argument("presets", nargs="*", type=Path, help=".vital files, or folders of them")
    edits.add_argument("--limit", type=int, default=0, help="at most N presets, spread evenly (0 = all)")
    edits.add_argument("--out", type=Path, default=Path("runs/metrics"), help="folder (default %(default)s)")
    edits.add_argument("--cdpam", action="store_true", help="add CDPAM; pip install cdpam torch")
    ratings = commands.add_parser("ratings", help="by people's judgements")
    ratings.add_argument("ratings", type=Path, help="CSV: set, a, b, dissimilarity")
    for command in (edits, ratings):
        command.add_argument("--json", type=Path, help="write the table to this file")
    arguments = parser.parse_args()
    if arguments.command == "edits":
        if arguments.presets:
            play_edits(arguments.presets, arguments.out, arguments.limit, arguments.cdpam)
        table = edits_table(_lines(arguments.out / "edits.jsonl"))
    else:
        table = ratings_table(arguments.ratings)
    print_table(table)
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1))


def edits_of(preset) -> dict[str, list]:
    """By name of the edit: the preset with it in STEPS rising sizes. Edits that cannot change the preset are left out.

    An effect is only turned up where the preset does not use it.
    """
    from vjax.vital.laws.envelopes import knob_seconds, seconds_knob
    from vjax.vital.values import value_of, with_values

    def value(name: str) -> float:
        return value_of(preset, name)

    found: dict[str, list[dict[str, float]]] = {}
    filters = [name for name in ("filter_1", "filter_2") if value(f"{name}_on")]
    if filters:
        found["cutoff"] = [
            {f"{name}_cutoff": max(value(f"{name}_cutoff") - down, 8.0) for name in filters} for down in (3, 8, 16, 30)
        ]
    attack_s = float(knob_seconds(value("env_1_attack")))
    found["attack"] = [{"env_1_attack": float(seconds_knob(attack_s + more))} for more in (0.01, 0.04, 0.12, 0.3)]
    if value("env_1_sustain") > 0.5:
        found["sustain"] = [{"env_1_sustain": value("env_1_sustain") * part} for part in (0.8, 0.5, 0.25, 0.05)]
    tune = value("voice_tune")
    direction = -1 if tune > 0 else 1
    found["tuning"] = [{"voice_tune": tune + direction * up} for up in (0.05, 0.15, 0.35, 0.8)]
    if value("osc_1_on") and value("osc_2_on"):
        found["second oscillator"] = [{"osc_2_level": value("osc_2_level") * part} for part in (0.8, 0.5, 0.2, 0.0)]
    for effect in ("reverb", "chorus"):
        if not value(f"{effect}_on"):
            found[effect] = [{f"{effect}_on": 1, f"{effect}_dry_wet": wet} for wet in (0.05, 0.15, 0.35, 0.8)]
    if not value("distortion_on"):
        found["drive"] = [{"distortion_on": 1, "distortion_drive": db} for db in (2.0, 6.0, 12.0, 24.0)]
    if not value("eq_on"):
        found["treble"] = [{"eq_on": 1, "eq_high_gain": db} for db in (2.0, 5.0, 9.0, 15.0)]
    return {name: [with_values(preset, one) for one in steps] for name, steps in found.items()}


def play_edits(paths: Sequence[Path], out: Path, limit: int, with_cdpam: bool) -> None:
    """Writes a line for each preset, with the metrics of each step of each edit: OUT/edits.jsonl."""
    from vjax.engine.config import RenderConfig
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.io.find_files import find_presets
    from vjax.io.json_lines import append_line
    from vjax.io.progress import progress_bar
    from vjax.vital.preset import read_preset

    cdpam = None
    if with_cdpam:
        from objectives import Cdpam

        cdpam = Cdpam()
    files = [file for path in paths for file in (find_presets(path) if path.is_dir() else [path])]
    chosen = np.linspace(0, len(files) - 1, min(limit or len(files), len(files))).round().astype(int)
    out.mkdir(parents=True, exist_ok=True)
    log = out / "edits.jsonl"
    done = {line["preset"] for line in _lines(log)}
    with RenderPool(RenderConfig(seconds=2.0, note_s=1.5)) as pool:
        rate = pool.config.sample_rate
        for file in progress_bar([files[i] for i in chosen], desc="turning controls", unit="preset"):
            if file.stem in done:
                continue
            preset = read_preset(file)
            edits = edits_of(preset)
            jobs = [RenderJob(preset.to_json(), (_NOTE,), seed) for seed in (0, 1)]
            jobs += [RenderJob(one.to_json(), (_NOTE,), 0) for steps in edits.values() for one in steps]
            sounds = [played.audio for played in pool.map(jobs)]
            if any(audio is None for audio in sounds):
                continue
            original, other, *edited = (audio[0] for audio in sounds)
            metrics = _metrics(np.stack([other, *edited]), original, rate, cdpam)
            rows = {name: [metrics[0], *metrics[1 + STEPS * i :][:STEPS]] for i, name in enumerate(edits)}
            append_line(log, {"preset": file.stem, "edits": rows})


def _metrics(sounds: np.ndarray, target: np.ndarray, rate: int, cdpam: Callable | None) -> list[dict]:
    from vjax.audio.scores import as_metrics, scores
    from vjax.audio.traits import trait_scores, traits_of

    found = scores(sounds, target, rate)
    found |= trait_scores([traits_of(one, rate) for one in sounds], traits_of(target, rate))
    rows = [as_metrics({name: values[i] for name, values in found.items()}) for i in range(len(sounds))]
    if cdpam:
        for row, sound in zip(rows, sounds, strict=True):
            row["cdpam"] = cdpam(sound, target, rate)
    return rows


def edits_table(lines: Sequence[Mapping]) -> dict[str, dict[str, dict]]:
    """By metric and edit, and `all` for the mean over the edits: `right`, `interval`, `n` presets."""
    rows = [(line["preset"], edit, steps) for line in lines for edit, steps in line["edits"].items()]
    metrics = _with_sums([step for _, _, steps in rows for step in steps])
    edits = list(dict.fromkeys(edit for _, edit, _ in rows))
    table: dict[str, dict[str, dict]] = {}
    for metric, values in metrics.items():
        by_edit: dict[str, dict[str, float]] = {}
        for (preset, edit, _), steps in zip(rows, values.reshape(-1, STEPS + 1), strict=True):
            by_edit.setdefault(edit, {})[preset] = _right_pairs(steps)
        cells = {edit: _described(list(by_edit[edit].values())) for edit in edits}
        presets = sorted({preset for preset, _, _ in rows})
        means = [np.mean([by_edit[edit][one] for edit in edits if one in by_edit[edit]]) for one in presets]
        table[metric] = {"all": _described(means), **cells}
    return dict(sorted(table.items(), key=lambda pair: -pair[1]["all"]["right"]))


def _right_pairs(distances: np.ndarray) -> float:
    """The share of pairs of steps whose larger one has the larger distance; equal or missing numbers count half."""
    right = [
        0.5 if math.isnan(a) or math.isnan(b) or a == b else float(b > a)
        for i, a in enumerate(distances)
        for b in distances[i + 1 :]
    ]
    return float(np.mean(right))


def ratings_table(file: Path) -> dict[str, dict[str, dict]]:
    """By metric and set, and `all` for the mean over the sets: Spearman's correlation as `right`, `interval`, `n`."""
    from scipy.stats import spearmanr

    from vjax.audio.files import read_audio

    with file.open(newline="") as stream:
        pairs = list(csv.DictReader(stream))
    rate, rows = 44100, []
    for pair in pairs:
        a, b = (read_audio(file.parent / pair[side], rate) for side in "ab")
        length = max(a.shape[-1], b.shape[-1], round(0.4 * rate))
        a, b = (
            np.pad(np.broadcast_to(one, (2, one.shape[-1])), ((0, 0), (0, length - one.shape[-1]))) for one in (a, b)
        )
        rows += _metrics(a[None], b, rate, None)
    sets = np.array([pair["set"] for pair in pairs])
    wanted = np.array([float(pair["dissimilarity"]) for pair in pairs])
    table = {}
    for metric, values in _with_sums(rows).items():
        cells = {}
        for name in dict.fromkeys(sets):
            usable = (sets == name) & ~np.isnan(values)
            if usable.sum() > 2:
                cells[str(name)] = {
                    "right": float(spearmanr(values[usable], wanted[usable]).statistic),
                    "n": int(usable.sum()),
                }
        table[metric] = {"all": _described([cell["right"] for cell in cells.values()]), **cells}
    return dict(sorted(table.items(), key=lambda pair: -pair[1]["all"]["right"]))


def _with_sums(rows: Sequence[Mapping]) -> dict[str, np.ndarray]:
    """[n] distances by metric, and those of _SUMS; higher is farther for all. NaN where there is none."""
    from vjax.audio.metric_names import HIGHER_IS_BETTER

    names = list(dict.fromkeys(name for row in rows for name in row))
    found = {
        name: np.array([math.nan if row.get(name) is None else row[name] for row in rows], float) for name in names
    }
    found = {name: -values if name in HIGHER_IS_BETTER else values for name, values in found.items()}
    for parts in _SUMS:
        # A part without a number, as the attack of a sound that has none, adds nothing.
        found[" + ".join(parts)] = sum(np.nan_to_num(found[one] / np.nanmedian(np.abs(found[one]))) for one in parts)
    return found


def _described(values: Sequence[float]) -> dict:
    from vjax.evaluation.statistics import bootstrap_interval

    interval = bootstrap_interval(np.array(values), lambda drawn: drawn.mean(-1))
    return {"right": float(np.mean(values)), "interval": interval, "n": len(values)}


def print_table(table: Mapping[str, Mapping[str, Mapping]]) -> None:
    columns = list(next(iter(table.values())))
    print(f"{'':30} {'all':>18}", *(f"{name[:17]:>18}" for name in columns[1:]))
    for metric, cells in table.items():
        low, high = cells["all"]["interval"]
        texts = [
            f"{cells['all']['right']:.2f} [{low:.2f} {high:.2f}]",
            *(f"{cells[c]['right']:.2f}" for c in columns[1:]),
        ]
        print(f"{metric:30}", *(f"{text:>18}" for text in texts))


def _lines(log: Path) -> list[dict]:
    from vjax.io.json_lines import read_lines

    return read_lines(log)


if __name__ == "__main__":
    main()
