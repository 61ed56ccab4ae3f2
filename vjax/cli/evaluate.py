"""`vjax evaluate`: measures the distances of presets and baselines to sounds."""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

from vjax.cli.browse import browse
from vjax.cli.command import CommandError, UsageError, at_least, command_parser, run
from vjax.cli.evaluate_settings import model_settings, plan_settings
from vjax.cli.evaluate_targets import evaluation_bank, evaluation_targets
from vjax.cli.match_flags import add_checkpoint, midi_note
from vjax.cli.refine_flags import add_resynthesis, resynthesis_config
from vjax.cli.scheduler_flag import SCHEDULER_HELP, add_scheduler_flag

EPILOG = f"""\
Each target is a preset of a folder, a sound file, or a validation row of a dataset. The report has these rows:

  init         the init patch
  random       the median over the presets of a bank that are by other authors
  nearest      the nearest of these by MSS: the baseline
  prediction   the preset that the network predicts
  match        the preset that `vjax match` writes, in most cases a patch
  closest      its closest candidate, mostly a wavetable made of the sound itself
  knobs        its best candidate of the network and the bank
  patch        its best patch
  START+N      the preset that a search finds from START with N renders (best: nearest, prediction and match compete)
  floor        the re-render reference: the target's own preset with other random phases
  take         for a recording, the other takes of the same note: what a musician who plays it again scores

The real engine renders each preset after its parameters have stopped gliding. The recovered share is 0 % at the random
preset and 100 % at the floor. A silent preset is reported and has no score. docs/metrics.md explains the tables:

- distances of spectra;
- differences of attack, fall, pitch and stereo width;
- how editable the presets are, and whether cutoff and macros do something when they are turned;
- elsewhere: MSS where each preset and the target's own preset play other notes, other lengths and softly. The mean of
  these is the preset's score as an instrument. Recordings have no preset, so they have no such table;
- recordings (--audio): scores and right pitches by class, and which sounds fail and why.

The class of a recording is the first folder below the given one. Or an index states it: a CSV file, INDEX.csv in the
folder or --index FILE, with the columns

  file, class      the path below the folder, and its class
  known_midi_note  optional: the note that was played (57 or A3). It is compared with the estimated note. The match does
                   not use it.
  take_of          optional: files with the same text here are takes of one note, played on the same instrument with the
                   same velocity. An empty cell is the file's own name, so give the name of the first take, or any name
                   that all takes share.

The author of a preset is the first folder below the given one, or else the author field of the preset. --limit takes a
random sample, always the same one. The same command continues a run that was stopped; --limit may then be larger, and
--refine-evals may have more budgets. The folder --out gets evaluation.json, evaluation.csv, report.html, and in sounds/
every sound and preset.

It also gets listen.html, a blind listening test: a person plays the target and two candidates without names, and
answers which one is more like it. The page exports the answers as a file. --listen FILE prints how often each method
wins, with intervals.

{SCHEDULER_HELP}
examples:
  vjax evaluate --presets ~/Documents/Vital --limit 24                       # baselines: the nearest of your presets
  vjax evaluate --checkpoint runs/tier3 --presets presets --limit 24 --refine-evals 100
  vjax evaluate --checkpoint runs/tier3 --presets presets --refine-evals 100,500 --starts prediction,best --out runs/ev
  vjax evaluate --checkpoint runs/tier3 --audio recordings --bank presets    # sounds: no floor, no share, but classes
  vjax evaluate --listen answers-*.json                                      # the results of listen.html
  vjax evaluate --checkpoint runs/tier3 --dataset runs/tier3/data --limit 50 --bank presets --json
exit codes: 0 if at least one target has a score, else 1
"""

_SEARCHED = "prediction,nearest,best"  # the methods of --starts


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("evaluate", "Measures the distances of presets and baselines to sounds.", EPILOG)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--presets", nargs="+", metavar="DIR", help="targets: a folder of .vital files with its subfolders, or several"
    )
    what.add_argument("--audio", metavar="DIR", help="targets: a folder of sound files, or one")
    what.add_argument("--dataset", metavar="PATH", help="targets: the validation presets of a dataset, one row of each")
    what.add_argument(
        "--listen",
        nargs="+",
        metavar="FILE",
        help="no targets: the results of a listening test, from the files that its page exported",
    )
    parser.add_argument(
        "--index", metavar="FILE", help="classes, notes and takes of --audio (default: INDEX.csv in its folder)"
    )
    parser.add_argument(
        "--bank", metavar="DIR", help="presets of the baselines random and nearest (default: --presets)"
    )
    add_checkpoint(
        parser, help="a training run's folder, or 'shipped': vjax's own model; without it there are only baselines"
    )
    parser.add_argument(
        "--refine-evals",
        type=_budgets,
        default=(),
        metavar="N,N",
        help="numbers of renders that searches may use (default: no search)",
    )
    parser.add_argument(
        "--starts",
        type=_methods,
        default=_methods(_SEARCHED),
        metavar="A,B",
        help=f"rows of the report whose presets searches start from (default {_SEARCHED})",
    )
    parser.add_argument(
        "--note",
        type=midi_note,
        default=48,
        metavar="NOTE",
        help="note at which --presets are rendered, by name or number: C3, 48 (default %(default)s)",
    )
    parser.add_argument(
        "--limit",
        type=at_least(0),
        default=0,
        metavar="N",
        help="a random sample of N targets (default 0: all of them)",
    )
    parser.add_argument("--out", default="runs/evaluate", metavar="DIR", help="folder to write (default %(default)s)")
    parser.add_argument("--json", action="store_true", help="print evaluation.json instead of the table")
    parser.add_argument(
        "--workers", type=at_least(0), default=0, metavar="N", help="number of render processes (0 = all cores)"
    )
    add_resynthesis(parser)
    parser.add_argument(
        "--no-elsewhere",
        action="store_true",
        help="do not play the presets at other notes, lengths and velocities",
    )
    add_scheduler_flag(parser)
    parser.add_argument("--tui", action="store_true", help=argparse.SUPPRESS)  # the old name of `vjax browse`
    arguments = parser.parse_args(argv)
    if arguments.index and not arguments.audio:
        parser.error("--index describes the sounds of --audio; give both, or neither")
    if arguments.tui:
        return run(parser.prog, lambda: _browse(parser.prog, arguments))
    if arguments.listen:
        return run(parser.prog, lambda: _listen(arguments))
    kept = f"{arguments.out} keeps the finished rows; the same command continues"
    return run(parser.prog, lambda: _evaluate(arguments), kept, arguments.out)


def _browse(prog: str, arguments: argparse.Namespace) -> int:
    if not (arguments.checkpoint and arguments.dataset):
        raise UsageError("--tui needs --checkpoint and --dataset; use vjax browse")
    print(f"{prog}: --tui is now a command: vjax browse", file=sys.stderr)
    return browse(arguments)


def _budgets(text: str) -> tuple[int, ...]:
    """An argparse `type`: integers that are at least 1, separated by commas."""
    return tuple(sorted({at_least(1)(part) for part in text.split(",")}))


def _methods(text: str) -> tuple[str, ...]:
    """An argparse `type`: names out of _SEARCHED, separated by commas; returned in the order of _SEARCHED."""
    given = text.split(",")
    unknown = [name for name in given if name not in _SEARCHED.split(",")]
    if unknown:
        raise argparse.ArgumentTypeError(f"no search starts from {unknown[0]!r}; choose from {_SEARCHED}")
    return tuple(name for name in _SEARCHED.split(",") if name in given)


def _evaluate(arguments: argparse.Namespace) -> int:
    from vjax.cli.match_flags import read_checkpoint
    from vjax.engine.scheduler import open_render_pool
    from vjax.evaluation import elsewhere, phrases, recording_tables, recordings, turns
    from vjax.evaluation.baseline_bank import BaselineBank
    from vjax.evaluation.benchmark import Plan, run_benchmark
    from vjax.evaluation.benchmark_summary import csv_text, evaluation, table
    from vjax.evaluation.causes import measure_causes
    from vjax.evaluation.pitches import measure_pitches
    from vjax.evaluation.results import start_folder
    from vjax.io.atomic import write_file
    from vjax.io.json_files import write_json

    out, workers = Path(arguments.out), arguments.workers or None
    predictor = read_checkpoint(arguments, batch_size=1) if arguments.checkpoint else None
    render, tasks, settings = evaluation_targets(arguments, predictor)
    bank_files, bank_path, bank_settings = evaluation_bank([arguments.bank] if arguments.bank else arguments.presets)
    plan = Plan(
        bank_path is not None, predictor is not None, arguments.starts, arguments.refine_evals, not arguments.no_patch
    )
    settings |= bank_settings | model_settings(arguments, predictor) | plan_settings(arguments, render)
    targets = [task.target for task in tasks]
    start_folder(out, settings, targets)
    with open_render_pool(render, workers, arguments.scheduler) as pool:
        bank = BaselineBank(bank_files, bank_path, out / "bank", pool) if bank_path else None
        match = _match(predictor, arguments, pool) if predictor else None
        results = run_benchmark(tasks, out, plan, pool, bank, match, _refine(predictor, arguments, pool))
    methods = plan.order(tasks)
    turned = turns.play_turns(out, targets, methods, render, workers, arguments.scheduler)
    content = evaluation(settings, targets, results.rows, methods)
    content |= {"turns": turns.summarise(turned, methods), "elsewhere": {}}
    if not arguments.no_elsewhere:
        phrases.play_phrases(out, targets, methods, render, workers, arguments.scheduler)
        played = elsewhere.play_elsewhere(out, targets, methods, render, workers, arguments.scheduler)
        content["elsewhere"] = elsewhere.summarise(played, methods)
    recorded = [task for task in tasks if task.clip is not None]
    measure_pitches(out, [task.target for task in recorded], methods, render.sample_rate)
    measure_causes(out, recorded)
    content["recordings"] = recordings.summarise(out, targets, results.rows, methods)
    rows = [results.rows[row["target"], row["method"]] for row in content["rows"]]
    write_json(out / "evaluation.json", content)
    write_file(out / "evaluation.csv", csv_text(targets, rows, content["summary"]))
    pages = _pages(out)
    if arguments.json:
        print(json.dumps(content, allow_nan=False))
    else:
        print(table(content["summary"]))
        if content["turns"]:
            print(turns.table(content["turns"]))
        if content["elsewhere"]:
            print(elsewhere.table(content["elsewhere"]))
        if content["recordings"]:
            print("\n" + recording_tables.text(recording_tables.tables(content["recordings"])))
        _print_failures(rows, bank.failures if bank else {})
        files = [out / "evaluation.json", out / "evaluation.csv", *pages, out / "sounds"]
        print("written: " + ", ".join(map(str, files)))
    return 0 if any(row.scored for row in rows) else 1


def _match(predictor, arguments: argparse.Namespace, pool):
    """A function that matches many sounds as `vjax match` does, without a search."""
    from vjax.matching.banks import open_banks
    from vjax.matching.batch import match_each

    banks = open_banks(predictor, arguments.checkpoint)
    candidates = {"resynthesis": resynthesis_config(arguments), "patch": not arguments.no_patch}

    def match(sounds):
        configured = (dataclasses.replace(s, config=dataclasses.replace(s.config, **candidates)) for s in sounds)
        return match_each(configured, predictor, pool, banks)

    return match


def _refine(predictor, arguments: argparse.Namespace, pool):
    """A function that runs the search of `vjax match --refine` for many sounds, from the candidates of each sound."""
    from vjax.matching.batch import search_each
    from vjax.search.refine_config import RefineConfig

    def refine(sounds, evals: int):
        config = RefineConfig(evals=evals)
        configured = (dataclasses.replace(s, config=dataclasses.replace(s.config, refine=config)) for s in sounds)
        return search_each(configured, config, predictor, pool, scheduler=arguments.scheduler)

    return refine


def _pages(out: Path) -> list[Path]:
    """Writes the report, and the page of a listening test if there are sounds to compare."""
    from vjax.report.listening_page import write_listening_page
    from vjax.report.report import write_report

    pages = [write_report(out), write_listening_page(out)]
    return [page for page in pages if page is not None]


def _listen(arguments: argparse.Namespace) -> int:
    """Prints the results of a listening test."""
    from vjax.evaluation.listener_answers import read_answers, results, table

    found = results(read_answers(arguments.listen))
    if not found:
        raise CommandError(f"{', '.join(arguments.listen)}: no answers yet; answer some trials, and export again")
    print(json.dumps(found, allow_nan=False) if arguments.json else table(found))
    return 0


def _print_failures(rows, bank_failures: dict[str, str]) -> None:
    """Prints a line for each target and reason, with the methods that failed for this reason."""
    reasons: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.error:
            reasons.setdefault((row.target, row.error), []).append(row.method)
    for (target, reason), methods in reasons.items():
        print(f"no score: {target} ({', '.join(methods)}): {reason}")
    for path, reason in bank_failures.items():
        print(f"left out of the bank: {reason if path in reason else f'{path}: {reason}'}")
