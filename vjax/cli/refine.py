"""`vjax refine`: matches many sounds, then searches for nearer presets with renders of the real engine."""

import argparse
import signal
import sys
from pathlib import Path

from vjax.cli.command import UsageError, at_least, command_parser, run
from vjax.cli.match_flags import add_matching, match_config, read_checkpoint
from vjax.cli.old_names import add_old_name
from vjax.cli.refine_flags import add_refining
from vjax.cli.scheduler_flag import SCHEDULER_HELP, add_scheduler_flag
from vjax.io.signals import stop_later

EPILOG = f"""\
Matches sounds as vjax match does. Then an evolution strategy searches, starting from the candidate that --prefer
selects. It changes the continuous parameters and route amounts that are audible, renders every new candidate with
Vital, and keeps the nearer ones. Routes and menus do not change. From a resynthesis it seldom finds a nearer preset.

For each sound X, the folder --out gets X.vital, its render (X-vjax.wav), an image (X-vjax.png), the course of the
search (X-trace.png, X-trace.json), and the closest candidate if that is another one (X (closest).vital). For all sounds
together it gets index.csv, index.json, traces.png and traces.json. Of a dataset, the validation rows are matched.

Sounds whose preset exists are skipped. The same command continues a run that was killed: from the best preset so far
(X.part.vital), with the renders that are left. Ctrl-C ends the searches and keeps their results; press it twice to
stop at once.

{SCHEDULER_HELP}
examples:
  vjax refine --audio recordings --out presets --evals 2000
  vjax refine --checkpoint runs/tier3 --audio recordings --bank ~/.local/share/vital
  vjax refine --checkpoint runs/demo --dataset runs/demo/data --limit 4 --evals 100 --seconds 60
  RAY_ADDRESS=HOST:6379 vjax refine --audio recordings --parallel 64 --scheduler ray
"""

_KEPT = "keeps the finished presets and the best of each search so far; the same command continues"


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser(
        "refine", "Matches many sounds, then searches for nearer presets with the real engine.", EPILOG
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", metavar="PATH", help="an HDF5 file, or a folder of shards")
    what.add_argument("--audio", metavar="PATH", help="a sound file, or a folder searched with its subfolders")
    parser.add_argument(
        "--out", default="runs/refine", metavar="DIR", help="folder for the presets (default %(default)s)"
    )
    parser.add_argument(
        "--limit",
        type=at_least(0),
        default=0,
        metavar="N",
        help="at most N sounds (default 0: all of them); files that cannot be read do not count",
    )
    parser.add_argument(
        "--parallel",
        type=at_least(1),
        default=8,
        metavar="N",
        help="number of sounds searched at a time (default %(default)s)",
    )
    parser.add_argument(
        "--workers", type=at_least(0), default=0, metavar="N", help="number of render processes (0 = all cores)"
    )
    add_old_name(parser, "--targets", "--limit", type=at_least(0))
    add_old_name(parser, "--places", "--parallel", type=at_least(1))
    add_scheduler_flag(parser)
    add_matching(parser)
    add_refining(parser)
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _refine(arguments), f"{arguments.out} {_KEPT}", arguments.out)


def _refine(arguments: argparse.Namespace) -> int:
    import dataclasses

    from vjax.cli.match import print_report
    from vjax.engine.scheduler import open_render_pool, scheduler_session
    from vjax.inference.predict import render_config
    from vjax.matching.banks import open_banks
    from vjax.matching.batch import match_many
    from vjax.matching.work import dataset_work, file_work, validation_presets

    if arguments.dataset and arguments.note is not None:
        raise UsageError("--note is for sound files; the rows of a --dataset are played at their own notes")
    out = Path(arguments.out)
    if out.suffix == ".vital":
        raise UsageError(f"--out {out} names one preset; give a folder, or refine one sound by vjax match --refine")
    config = match_config(arguments)
    assert config.refine is not None, "this command always searches"
    config = dataclasses.replace(config, refine=dataclasses.replace(config.refine, parallel=arguments.parallel))
    predictor = read_checkpoint(arguments, batch_size=1)
    if arguments.audio:
        work = file_work(predictor, [arguments.audio], out, arguments.limit)
    else:
        rows = validation_presets(predictor, arguments.dataset, arguments.limit)
        work = dataset_work(predictor, arguments.dataset, out, rows=rows)
    if work.limited:
        print(work.limited, file=sys.stderr)
    with (
        stop_later(by=(signal.SIGINT,)) as should_stop,
        scheduler_session(arguments.scheduler),
        open_render_pool(render_config(predictor), arguments.workers or None, arguments.scheduler) as pool,
    ):
        banks = open_banks(predictor, arguments.checkpoint, arguments.bank, pool)
        report = match_many(
            work,
            out,
            predictor,
            pool,
            config,
            banks,
            scheduler=arguments.scheduler,
            should_stop=lambda: bool(should_stop()),
        )
    print_report(report, out)
    if (out / "traces.png").exists():
        print(f"  traces: {out / 'traces.png'}")
    if should_stop():
        return 130
    return 1 if report.failures else 0
