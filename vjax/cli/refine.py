"""`vjax refine`: evolves the presets of many sounds against the engine; and the flags it shares with `vjax match`."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from vjax.cli.command import at_least, command_parser, run
from vjax.cli.engine_flag import ENGINE_HELP, add_engine_flag
from vjax.cli.match_flags import add_matching, read_checkpoint
from vjax.file_names import shortened

STRATEGY_NAMES = ("snes", "cma_es", "sep_cma_es")
"""Those of `vjax.inference.strategy`, the default first; a copy, so that --help imports no jax."""

EPILOG = f"""\
A network's answer is a start: an evolution strategy then turns the knobs that can be heard, renders every candidate
with Vital, and keeps what sounds nearer. Routes and menus stay those of the start, but several starts compete: the
answer, variants of it, the nearest training sounds, the nearest presets of a --bank, and presets whose wavetables are
made of the sound itself (--no-resynthesis: none of those). The wavetables of the six best are fitted to the sound,
harmonic by harmonic; --keep-tables leaves them alone, and makes none.

The folder --out gets for each sound X: X.vital, its render (X-vjax.wav), a picture (X-vjax.png), the trace of the
search (X-trace.png, X-trace.json); and index.csv, traces.png and traces.json of all. What is there is passed over; a
run that was killed goes on from the best so far (X.part.vital), with the evaluations that are left. Ctrl-C ends the
searches and judges what they have; press it twice to leave at once. Of a dataset the validation rows are taken.
All sounds are refined unless --limit names a number.

{ENGINE_HELP}
examples:
  vjax refine --checkpoint runs/tier3 --dataset runs/tier3/data --limit 16
  vjax refine --checkpoint runs/tier3 --audio recordings --bank ~/Documents/Vital --evals 2000
  RAY_ADDRESS=HOST:6379 vjax refine --checkpoint runs/tier3 --audio recordings --limit 500 --places 64 --engine ray
  vjax refine --checkpoint runs/demo --dataset runs/demo/data --limit 4 --evals 100 --seconds 60
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("refine", "Evolves the presets of many sounds against the real engine.", EPILOG)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--dataset", metavar="PATH", help="an HDF5 file, or a folder of shards")
    what.add_argument("--audio", metavar="PATH", help="a sound file, or a folder searched with its subfolders")
    parser.add_argument("--out", default="runs/refine", metavar="DIR", help="where things go (default %(default)s)")
    parser.add_argument(
        "--limit",
        "--targets",
        type=at_least(0),
        default=0,
        metavar="N",
        help="sounds to refine, at most; 0 takes all (default); a file that cannot be read does not count",
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
    """Adds the flags that `refine` and `match --refine` share; `refine_config` reads them."""
    group = parser.add_argument_group("refinement")
    group.add_argument(
        "--evals", type=at_least(1), default=500, metavar="N", help="renders a sound may cost (default %(default)s)"
    )
    group.add_argument(
        "--seconds", type=at_least(0), default=0, metavar="S", help="time a sound may take; 0 has no limit (default)"
    )
    group.add_argument(
        "--bank", default="", metavar="DIR", help="also start from the nearest presets of this folder (indexed there)"
    )
    group.add_argument(
        "--starts",
        type=at_least(0),
        default=3,
        metavar="K",
        help="variants of the answer that compete with it, and thrice as many neighbours from each bank (default "
        "%(default)s)",
    )
    group.add_argument(
        "--keep-tables",
        action="store_true",
        help="leave the wavetables of the starts as they are; implies --no-resynthesis",
    )
    add_resynthesis(group)
    group.add_argument(
        "--strategy",
        choices=STRATEGY_NAMES,
        default=STRATEGY_NAMES[0],
        help="how candidates are drawn; BUILD_NOTES.md compares them (default %(default)s)",
    )
    group.add_argument("--seed", type=at_least(0), default=0, metavar="N", help="of the samples (default %(default)s)")


def add_resynthesis(group) -> None:
    """Adds --no-resynthesis; `resynthesis_config` reads it."""
    group.add_argument(
        "--no-resynthesis",
        action="store_true",
        help="no starts whose wavetables are made of the sound itself: what is found is made of other presets' parts",
    )


def resynthesis_config(arguments: argparse.Namespace):
    """How wavetables are made of a sound, None where the flags want none."""
    from vjax.inference.wavetable_fit import WavetableFitConfig

    unwanted = arguments.no_resynthesis or getattr(arguments, "keep_tables", False)
    return None if unwanted else WavetableFitConfig()


def refine_config(arguments: argparse.Namespace, places: int):
    """The RefineConfig that `add_refining`'s flags ask for."""
    from vjax.inference.refine import RefineConfig
    from vjax.inference.strategy import StrategyConfig

    return RefineConfig(
        evals=arguments.evals,
        fits=0 if arguments.keep_tables else RefineConfig.fits,
        seconds=arguments.seconds,
        strategy=StrategyConfig(arguments.strategy),
        places=places,
        seed=arguments.seed,
    )


@contextlib.contextmanager
def stop_on_ctrl_c() -> Iterator[Callable[[], bool]]:
    """A function that answers whether Ctrl-C was pressed; pressed twice, it is KeyboardInterrupt as ever."""
    pressed = False

    def press(*_) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        print("stopping: judging what was found; Ctrl-C again leaves at once", file=sys.stderr)

    before = signal.signal(signal.SIGINT, press)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before)


def _refine(arguments: argparse.Namespace) -> int:
    from vjax.cli.command import UsageError
    from vjax.inference.match import MatchConfig
    from vjax.inference.refine_many import RefineManyConfig, refine_many
    from vjax.vital.backend import engine_session

    if arguments.dataset and arguments.note is not None:
        raise UsageError("--note is for sound files; the rows of a --dataset are played at their own notes")
    predictor = read_checkpoint(arguments, batch_size=8)
    config = RefineManyConfig(
        refine=refine_config(arguments, arguments.places),
        match=MatchConfig(arguments.note, not arguments.no_tune),
        starts=arguments.starts,
        bank=arguments.bank,
        resynthesis=resynthesis_config(arguments),
        limit=arguments.limit,
        workers=arguments.workers or None,
        engine=arguments.engine,
    )
    out = Path(arguments.out)
    with stop_on_ctrl_c() as should_stop, engine_session(arguments.engine):
        report = refine_many(
            predictor, arguments.checkpoint, out, config, arguments.audio, arguments.dataset, should_stop
        )
    _print(report, out, arguments.audio)
    if should_stop():
        return 130
    return 1 if report.failures else 0


def _print(report, out: Path, audio: str | None) -> None:
    from vjax.inference.refine_many import short_name

    print(f"\n{'sound':30} {'start':22} {'evals':>6} {'seconds':>8} {'MSS before':>11} {'after':>7}")
    for refined in report.refined:
        before, after = (judged.distances.get("mss", float("nan")) for judged in (refined.before, refined.after))
        print(
            f"{short_name(refined.name, audio, 30):30} {shortened(refined.start, 22):22} "
            f"{refined.evals:6} {refined.seconds:8.1f} "
            f"{before:8.2f} dB {after:7.2f} dB"
        )
    print(f"{out}: refined {len(report.refined)}, were there: {report.there}, failed: {len(report.failures)}")
    print(f"  table  {out / 'index.csv'}\n  traces {out / 'traces.png'}")
