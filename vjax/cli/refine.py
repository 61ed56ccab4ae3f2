"""`vjax refine`: evolves the presets of many sounds against the engine; and the flags it shares with `vjax match`."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from vjax.cli.command import UsageError, at_least, command_parser, run
from vjax.cli.engine_flag import ENGINE_HELP, add_engine_flag
from vjax.cli.match_flags import add_matching, read_checkpoint

STRATEGY_NAMES = ("snes", "cma_es", "sep_cma_es")
"""Those of `vjax.search.strategy`, the default first; a copy, so that --help imports no jax."""

PREFERENCES = ("editable", "closest", "knobs")
"""Those of `vjax.matching.preferred`, the default first; a copy for the same reason."""

EPILOG = f"""\
As vjax match does for many sounds, and then an evolution strategy searches on from the best candidates: it turns the
continuous parameters and route amounts that are audible, renders every candidate with Vital, and keeps what comes
nearer. Routes and menus stay those of the candidate. The search begins from the candidate that --prefer names; from a
resynthesis it seldom finds anything nearer.

The folder --out gets for each sound X: X.vital, its render (X-vjax.wav), a picture (X-vjax.png), the course of the
search (X-trace.png, X-trace.json), and the closest candidate if that is another one (X (closest).vital); and index.csv,
index.json, traces.png and traces.json of all. Sounds whose preset exists are passed over; a run that was killed goes on
from the best so far (X.part.vital), with the renders that are left. Ctrl-C ends the searches and keeps what they found;
press it twice to leave at once. Of a dataset the validation rows are taken.

{ENGINE_HELP}
examples:
  vjax refine --audio recordings --out presets --evals 2000
  vjax refine --checkpoint runs/tier3 --audio recordings --bank ~/.local/share/vital
  vjax refine --checkpoint runs/demo --dataset runs/demo/data --limit 4 --evals 100 --seconds 60
  RAY_ADDRESS=HOST:6379 vjax refine --audio recordings --places 64 --engine ray
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("refine", "Matches many sounds, and searches on with the real engine.", EPILOG)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", metavar="PATH", help="an HDF5 file, or a folder of shards")
    what.add_argument("--audio", metavar="PATH", help="a sound file, or a folder searched with its subfolders")
    parser.add_argument("--out", default="runs/refine", metavar="DIR", help="where things go (default %(default)s)")
    parser.add_argument(
        "--limit",
        "--targets",
        dest="limit",
        type=at_least(0),
        default=0,
        metavar="N",
        help="at most N sounds; 0 takes all (default); a file that cannot be read does not count",
    )
    parser.add_argument(
        "--places", type=at_least(1), default=8, metavar="N", help="sounds refined at a time (default %(default)s)"
    )
    parser.add_argument(
        "--workers", type=at_least(0), default=0, metavar="N", help="processes that render; 0 takes every core"
    )
    add_engine_flag(parser)
    add_matching(parser)
    add_refining(parser)
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _refine(arguments))


def add_refining(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of candidates and of a search; `match_flags.match_config` reads them."""
    group = parser.add_argument_group("candidates")
    group.add_argument(
        "--starts",
        type=at_least(0),
        default=3,
        metavar="N",
        help="at most N variants of the prediction, and 3 N neighbours from each bank; 0: the prediction alone "
        "(default %(default)s)",
    )
    group.add_argument("--bank", default="", metavar="DIR", help="a folder of presets whose nearest ones compete, too")
    group.add_argument(
        "--keep-tables", action="store_true", help="leave the wavetables of candidates; implies --no-resynthesis"
    )
    add_resynthesis(group)
    group.add_argument(
        "--prefer",
        choices=PREFERENCES,
        default=PREFERENCES[0],
        help="which candidate is written: editable, the patch or else, where that is clearly nearer, the preset of "
        "knobs; closest, the nearest of all; knobs, the nearest that was not made from the sound (default %(default)s)",
    )
    group = parser.add_argument_group("search")
    group.add_argument(
        "--evals",
        type=at_least(1),
        default=500,
        metavar="N",
        help="renders that a sound may cost, candidates included (default %(default)s)",
    )
    group.add_argument(
        "--seconds",
        type=at_least(0),
        default=0,
        metavar="S",
        help="time of a search; 0 has no limit (default)",
    )
    group.add_argument(
        "--strategy",
        choices=STRATEGY_NAMES,
        default=STRATEGY_NAMES[0],
        help="how the search draws candidates; BUILD_NOTES.md compares them (default %(default)s)",
    )
    group.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="of the search's samples (default %(default)s)"
    )


def add_resynthesis(group) -> None:
    """Adds --no-patch, and --no-resynthesis, which `resynthesis_config` reads."""
    group.add_argument("--no-patch", action="store_true", help="no candidate that explains the sound as a patch")
    group.add_argument(
        "--no-resynthesis",
        action="store_true",
        help="no candidate whose wavetable is made of the sound itself",
    )


def resynthesis_config(arguments: argparse.Namespace):
    """How wavetables are made of a sound, None where the flags want none."""
    from vjax.candidates.resynthesis.fit_table import WavetableFitConfig

    unwanted = arguments.no_resynthesis or getattr(arguments, "keep_tables", False)
    return None if unwanted else WavetableFitConfig()


def refine_config(arguments: argparse.Namespace):
    """The RefineConfig that `add_refining`'s flags ask for."""
    from vjax.search.refine_config import RefineConfig
    from vjax.search.strategy import StrategyConfig

    return RefineConfig(
        evals=arguments.evals,
        seconds=arguments.seconds,
        strategy=StrategyConfig(arguments.strategy),
        seed=arguments.seed,
    )


@contextlib.contextmanager
def stop_on_ctrl_c(when: Callable[[], bool] = lambda: True) -> Iterator[Callable[[], bool]]:
    """A function that returns whether Ctrl-C was pressed; pressed twice, it is KeyboardInterrupt as ever.

    So it is at the first time, too, where `when` returns False: nothing is worth finishing yet.
    """
    pressed = False

    def press(*_) -> None:
        nonlocal pressed
        if pressed or not when():
            raise KeyboardInterrupt
        pressed = True
        print("\nstopping: finishing what is under way; Ctrl-C again leaves at once", file=sys.stderr)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _refine(arguments: argparse.Namespace) -> int:
    import dataclasses

    from vjax.cli.match import print_report
    from vjax.cli.match_flags import match_config
    from vjax.engine.scheduler import engine_session, open_render_pool
    from vjax.inference.predict import render_config
    from vjax.matching.banks import open_banks
    from vjax.matching.batch import match_many
    from vjax.matching.work import dataset_work, file_work, validation_rows

    if arguments.dataset and arguments.note is not None:
        raise UsageError("--note is for sound files; the rows of a --dataset are played at their own notes")
    out = Path(arguments.out)
    if out.suffix == ".vital":
        raise UsageError(f"--out {out} names one preset; give a folder, or refine one sound by vjax match --refine")
    config = match_config(arguments)
    config = dataclasses.replace(config, refine=dataclasses.replace(config.refine, places=arguments.places))
    predictor = read_checkpoint(arguments, batch_size=1)
    if arguments.audio:
        work = file_work(predictor, [arguments.audio], out, arguments.limit)
    else:
        rows = validation_rows(predictor, arguments.dataset, arguments.limit)
        work = dataset_work(predictor, arguments.dataset, out, rows=rows)
    if work.limited:
        print(work.limited, file=sys.stderr)
    with (
        stop_on_ctrl_c() as should_stop,
        engine_session(arguments.engine),
        open_render_pool(render_config(predictor), arguments.workers or None, arguments.engine) as pool,
    ):
        banks = open_banks(predictor, arguments.checkpoint, arguments.bank, pool)
        report = match_many(
            work, out, predictor, pool, config, banks, scheduler=arguments.engine, should_stop=should_stop
        )
    print_report(report, out)
    print(f"  traces: {out / 'traces.png'}")
    if should_stop():
        return 130
    return 1 if report.failures else 0
