"""The flags for candidates and for a search, which several commands share."""

import argparse

from vjax.cli.command import at_least
from vjax.cli.old_names import add_old_name

STRATEGY_NAMES = ("snes", "cma_es", "sep_cma_es")
"""The names in `vjax.search.strategy`, the default first. They are copied, so that --help does not import jax."""

LOCK_NAMES = ("oscillators", "filters", "effects", "envelopes", "lfos", "macros")
"""The names in `vjax.search.locks`, copied for the same reason."""

PREFERENCES = ("editable", "closest", "knobs")
"""The names in `vjax.matching.preferred`, the default first; copied for the same reason."""


def add_refining(parser: argparse.ArgumentParser) -> None:
    """Adds the flags for candidates and for a search. `match_flags.match_config` reads them."""
    group = parser.add_argument_group("candidates")
    group.add_argument(
        "--variants",
        type=at_least(0),
        default=3,
        metavar="N",
        help="at most N variants of the prediction (4 N presets that the model draws, if it has a posterior), and 3 N "
        "neighbours from each bank; 0: the prediction alone "
        "(default %(default)s)",
    )
    add_old_name(parser, "--starts", "--variants", type=at_least(0))
    group.add_argument(
        "--bank", default="", metavar="DIR", help="a folder of presets; the nearest of them are candidates, too"
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
        help="evolution strategy; docs/decisions/0010-search.md compares them (default %(default)s)",
    )
    group.add_argument(
        "--seed", type=at_least(0), default=0, metavar="N", help="seed of the search (default %(default)s)"
    )
    group.add_argument(
        "--lock",
        type=lock_names,
        default=(),
        metavar="GROUPS",
        help=f"modules that the search leaves as they are, with their routes: some of {','.join(LOCK_NAMES)}",
    )


def lock_names(text: str) -> tuple[str, ...]:
    """An argparse `type`: some of LOCK_NAMES, separated by commas."""
    names = tuple(part.strip() for part in text.split(","))
    for name in names:
        if name not in LOCK_NAMES:
            raise argparse.ArgumentTypeError(f"{name!r} is not a group of modules; give some of {','.join(LOCK_NAMES)}")
    return names


def add_resynthesis(group) -> None:
    """Adds --no-patch and --no-resynthesis. `resynthesis_config` reads the latter."""
    group.add_argument("--no-patch", action="store_true", help="do not make a patch of the sound")
    group.add_argument(
        "--no-resynthesis",
        action="store_true",
        help="do not make a wavetable of the sound itself",
    )


def resynthesis_config(arguments: argparse.Namespace):
    """The settings for wavetables that are made from a sound; None if the flags turn them off."""
    from vjax.candidates.resynthesis.fit_table import WavetableFitConfig

    unwanted = arguments.no_resynthesis or getattr(arguments, "keep_tables", False)
    return None if unwanted else WavetableFitConfig()


def refine_config(arguments: argparse.Namespace):
    """The RefineConfig of the flags of `add_refining`."""
    from vjax.search.refine_config import RefineConfig
    from vjax.search.strategy import StrategyConfig

    return RefineConfig(
        evals=arguments.evals,
        seconds=arguments.seconds,
        strategy=StrategyConfig(arguments.strategy),
        seed=arguments.seed,
        locked=arguments.lock,
    )
