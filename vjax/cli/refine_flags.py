"""The flags of candidates and of a search, which several commands share; and how Ctrl-C ends a search."""

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator

from vjax.cli.command import at_least

STRATEGY_NAMES = ("snes", "cma_es", "sep_cma_es")
"""Those of `vjax.search.strategy`, the default first; a copy, so that --help imports no jax."""

PREFERENCES = ("editable", "closest", "knobs")
"""Those of `vjax.matching.preferred`, the default first; a copy for the same reason."""


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
    group.add_argument(
        "--bank", default="", metavar="DIR", help="a folder of presets, of which the nearest ones compete, too"
    )
    group.add_argument(
        "--keep-tables",
        action="store_true",
        help="do not change the wavetables of candidates; implies --no-resynthesis",
    )
    add_resynthesis(group)
    group.add_argument(
        "--prefer",
        choices=PREFERENCES,
        default=PREFERENCES[0],
        help="which candidate is written. editable: the patch, or the best preset of the network and the bank where "
        "that is clearly nearer. knobs: always the latter. closest: the nearest of all (default %(default)s)",
    )
    group = parser.add_argument_group("search")
    group.add_argument(
        "--evals",
        type=at_least(1),
        default=500,
        metavar="N",
        help="number of renders for each sound, candidates included (default %(default)s)",
    )
    group.add_argument(
        "--seconds",
        type=at_least(0),
        default=0,
        metavar="S",
        help="at most S seconds for each search (default 0: no limit)",
    )
    group.add_argument(
        "--strategy",
        choices=STRATEGY_NAMES,
        default=STRATEGY_NAMES[0],
        help="evolution strategy; BUILD_NOTES.md compares them (default %(default)s)",
    )
    group.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="seed of the search (default %(default)s)"
    )


def add_resynthesis(group) -> None:
    """Adds --no-patch, and --no-resynthesis, which `resynthesis_config` reads."""
    group.add_argument("--no-patch", action="store_true", help="make no patch of the sound")
    group.add_argument(
        "--no-resynthesis",
        action="store_true",
        help="make no wavetable of the sound itself",
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
