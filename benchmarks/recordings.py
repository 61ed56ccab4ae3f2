"""Scores `vjax match` on recordings that are not Vital's: the distances, and how the written presets play.

    python benchmarks/recordings.py ../shared/sounds --bank ../shared/presets/instatetragrammaton
    python benchmarks/recordings.py violin.wav choir.flac --out runs/two      # files or folders; continues after a kill

Evaluates the sounds as `vjax evaluate --checkpoint shipped --audio` does, with its rows, folder and report, and then
plays the written presets (`match`) as benchmarks/instrument.py does. recordings.jsonl has one line per sound.

Printed are a line a sound, with medians and means below, and the tables of the evaluation. Columns: MSS in dB of the
methods; of the written preset against itself with other random phases (again); the pitch of the written preset minus
that of the sound, in semitones; MSS over 2-6 s, before note-off, of recordings that last for at least 4 s; by how many
dB and octaves of its centroid velocity 1.0 is above 0.2; the seconds of the match. Then the shares of right pitches, of
sounds with a clear pitch: class and octave, within half a semitone.
"""

import argparse
import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from instrument import measured

from vjax.io.json_lines import end_last_line, read_lines

METHODS = ("patch", "match", "closest", "knobs", "prediction", "nearest")
WRITTEN = "match"
RIGHT_SEMITONES = 0.5
_COLUMNS = {
    "again": "again",
    "pitch_error": "pitch",
    "mss_2_6": "2-6 s",
    "velocity_db": "vel dB",
    "velocity_octaves": "vel oct",
    "seconds": "seconds",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sounds", nargs="+", type=Path, help="sound files, and folders of them")
    parser.add_argument("--bank", type=Path, help="presets, for the nearest one as a baseline (default: none)")
    parser.add_argument("--checkpoint", default="shipped", help="a training run's folder (default: vjax's own model)")
    parser.add_argument("--out", type=Path, default=Path("runs/recordings"), help="folder (default %(default)s)")
    arguments = parser.parse_args()
    measure(arguments.sounds, arguments.out, arguments.bank, arguments.checkpoint)
    content = json.loads((arguments.out / "evaluation.json").read_text())
    print_table(content, read_lines(arguments.out / "recordings.jsonl"))


def measure(sounds: Sequence[Path], out: Path, bank: Path | None = None, checkpoint: str = "shipped") -> None:
    """Writes an evaluation of the sounds with its report, and recordings.jsonl; sounds in it are skipped."""
    from vjax.engine.pool import RenderPool
    from vjax.evaluation.baseline_bank import BaselineBank
    from vjax.evaluation.benchmark import Plan, run_benchmark
    from vjax.evaluation.benchmark_summary import evaluation
    from vjax.evaluation.results import start_folder
    from vjax.evaluation.targets import audio_tasks
    from vjax.inference.predict import Predictor, render_config
    from vjax.inference.predict_many import find_audio
    from vjax.io.find_files import find_presets
    from vjax.io.json_files import write_json
    from vjax.io.progress import progress_bar
    from vjax.matching.banks import open_banks
    from vjax.matching.batch import match_each
    from vjax.report.report import write_report
    from vjax.shipped import checkpoint_folder

    files = [file.absolute() for sound in sounds for file in (find_audio(sound) if sound.is_dir() else [sound])]
    folder = Path(os.path.commonpath([file.parent for file in files]))
    predictor = Predictor.from_checkpoint(checkpoint_folder(checkpoint))
    render = render_config(predictor)
    tasks = audio_tasks(list(dict.fromkeys(files)), folder, render)
    targets = [task.target for task in tasks]
    presets = bank and str(bank.absolute())
    settings = {"source": "audio", "checkpoint": checkpoint, "step": predictor.step, "bank": presets}
    start_folder(out, settings | {"render": dataclasses.asdict(render)}, targets)
    plan = Plan(has_bank=bank is not None, has_model=True, has_patches=True)
    with RenderPool(render) as pool:
        searched = open_banks(predictor, checkpoint_folder(checkpoint))
        presets = BaselineBank(find_presets(bank), bank, out / "bank", pool) if bank else None
        results = run_benchmark(
            tasks, out, plan, pool, presets, lambda sounds: match_each(sounds, predictor, pool, searched)
        )
        write_json(out / "evaluation.json", evaluation(settings, targets, results.rows, plan.order(tasks)))
        write_report(out)
        log = out / "recordings.jsonl"
        done = {row["sound"] for row in read_lines(log)}
        left = [task for task in tasks if task.target.id not in done and results.rows[task.target.id, WRITTEN].scored]
        end_last_line(log)
        with log.open("a") as file:
            for task in progress_bar(left, desc="playing written presets", unit="sound"):
                file.write(json.dumps(_played(task, out / "sounds" / task.target.id, pool)) + "\n")
                file.flush()  # a run that is killed continues from here


def _played(task, folder: Path, pool) -> dict:
    """A line of recordings.jsonl: the numbers that the evaluation's rows lack."""
    from vjax.audio.distances import mss
    from vjax.audio.files import read_audio
    from vjax.audio.pitch import detect_pitch
    from vjax.engine.pool import RenderJob
    from vjax.io.json_files import short_number
    from vjax.matching.prepare import note_length_s
    from vjax.search.judge import JUDGE_SEEDS
    from vjax.vital.preset import read_json

    rate, preset = pool.config.sample_rate, folder / f"{WRITTEN}.vital"
    note, note_s = task.target.note, note_length_s(task.clip(), pool.config)
    jobs = [RenderJob(read_json(preset), (note,), seed, note_s) for seed in JUDGE_SEEDS]
    first, *others = [one.audio[0] for one in pool.map(jobs)]
    wanted = detect_pitch(read_audio(folder / "target.wav", rate), rate)
    errors = {}
    for method in METHODS:
        if wanted.clear and (folder / f"{method}.wav").exists():
            error = detect_pitch(read_audio(folder / f"{method}.wav", rate), rate).midi - wanted.midi
            errors[method] = short_number(float(error))
    return {
        "sound": task.target.id,
        "again": short_number(float(np.mean(mss(np.stack(others), first, rate)))),
        "pitch_errors": errors,
        **measured(Path(task.target.path), preset, note),
    }


def right_pitch(errors: Sequence[float | None]) -> dict:
    """Shares of pitch errors (semitones) with the right class, and with the right octave too; None counts as wrong."""
    classes = [error is not None and abs(error - 12 * round(error / 12)) <= RIGHT_SEMITONES for error in errors]
    both = [error is not None and abs(error) <= RIGHT_SEMITONES for error in errors]
    n = len(errors)
    return {"n": n, "class": sum(classes) / n if n else None, "octave": sum(both) / n if n else None}


def print_table(content: dict, played: Sequence[dict]) -> None:
    """Prints the tables. `content`: of evaluation.json."""
    from vjax.evaluation.benchmark_summary import table

    about = {row["sound"]: row for row in played}
    found = {(row["target"], row["method"]): row for row in content["rows"]}
    lines = {}
    for target in content["targets"]:
        rows = {method: found.get((target["id"], method), {}) for method in METHODS}
        more = about.get(target["id"], {})
        more = more | {"pitch_error": more.get("pitch_errors", {}).get(WRITTEN)}
        more["seconds"] = rows[WRITTEN].get("seconds")
        scores = [row.get("metrics", {}).get("mss") for row in rows.values()]
        lines[target["name"]] = scores + [more.get(name) for name in _COLUMNS]
    print(f"{'MSS dB':28}", *(f"{name:>10}" for name in METHODS), *(f"{title:>8}" for title in _COLUMNS.values()))
    for name, values in lines.items():
        _print_line(name, values)
    columns = [[value for value in column if value is not None] for column in zip(*lines.values(), strict=True)]
    for name, mean in (("median", np.median), ("mean", np.mean)):
        _print_line(name, [float(mean(column)) if column else None for column in columns])
    print(f"\n{'right pitch':14} {'n':>4} {'class':>6} {'octave':>6}")
    for method in METHODS:
        right = right_pitch([row["pitch_errors"][method] for row in played if method in row["pitch_errors"]])
        if right["n"]:
            print(f"{method:14} {right['n']:4} {right['class']:>6.0%} {right['octave']:>6.0%}")
    print("\n" + table(content["summary"]))


def _print_line(name: str, values: Sequence[float | None]) -> None:
    cells = ["-" if value is None else f"{value:.2f}" for value in values]
    widths = [10] * len(METHODS) + [8] * len(_COLUMNS)
    print(f"{name[:28]:28}", *(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True)))


if __name__ == "__main__":
    main()
