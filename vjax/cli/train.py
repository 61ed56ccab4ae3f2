"""`vjax train`: train the inverse model."""

import argparse

from vjax.cli.command import CommandError, command_parser, run
from vjax.cli.recipe import SETTINGS_HELP, add_config_flag, parse_arguments, read_config

DESCRIPTION = """\
Trains the inverse model. Without --config.data.path the run first renders its own data. Called again with the same
--workdir it continues where it was stopped or killed.
"""
EPILOG = f"""\
{SETTINGS_HELP}
examples:
  vjax train --config tier3:demo --workdir runs/demo    # minutes on two CPU cores
  vjax train --config tier3 --config.data.path=DATASET --workdir runs/tier3
  vjax train --config configs/tier3.py:demo --config.loss.modulation_weight=0.5 --workdir runs/half
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("train", DESCRIPTION, EPILOG)
    add_config_flag(parser, "tier3:demo")
    parser.add_argument(
        "--workdir", default="runs/train", help="where checkpoints, logs and summary.json go (default %(default)s)"
    )
    arguments, overrides = parse_arguments(parser, argv)
    return run(parser.prog, lambda: _train(arguments, overrides))


def _train(arguments: argparse.Namespace, overrides: list[str]) -> int:
    from vjax.evaluation.listen import make_listener
    from vjax.evaluation.summary import print_summary
    from vjax.inference.retrieval import write_bank
    from vjax.training.loop import NonFiniteLossError, train

    config = read_config(arguments.config, overrides)
    listener = make_listener(config.generation, config.train.listen_sounds, config.data.render_workers or None)
    try:
        summary = train(config, arguments.workdir, evaluators=[listener, write_bank])
    except NonFiniteLossError as error:
        raise CommandError(str(error)) from error
    print_summary(summary, arguments.workdir)
    return 0
