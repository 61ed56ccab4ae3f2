"""`vjax browse`: shows a checkpoint's predictions on a dataset in the terminal."""

import argparse

from vjax.cli.command import CommandError, at_least, command_parser, run
from vjax.cli.match_flags import add_checkpoint
from vjax.shipped import NAME

EPILOG = """\
Shows the sounds of a dataset one by one, with the target preset and the predicted one side by side: spectrograms,
parameters, routes and menus. Both can be played and compared by ear; the predicted preset can be exported. Of a dataset
that the checkpoint was trained on, the validation rows are shown.

Needs the extra: pip install 'vjax[tui]'. Press ? for the keys, q to quit.

examples:
  vjax browse --checkpoint runs/demo --dataset runs/demo/data
  vjax browse --checkpoint shipped --dataset DATASET --limit 20
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("browse", "Shows a checkpoint's predictions on a dataset in the terminal.", EPILOG)
    parser.add_argument("--dataset", required=True, metavar="PATH", help="an HDF5 file, or a folder of shards")
    add_checkpoint(parser, default=NAME)
    parser.add_argument(
        "--limit", type=at_least(0), default=0, metavar="N", help="at most N sounds (default 0: all of them)"
    )
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: browse(arguments))


def browse(arguments: argparse.Namespace) -> int:
    """Opens the browser with the arguments `checkpoint`, `dataset`, `which` and `limit`, and waits for its end."""
    try:
        from vjax.browser.run import run_browser
    except ModuleNotFoundError as error:
        raise CommandError(f"vjax browse needs {error.name}; install it with: pip install 'vjax[tui]'") from error
    return run_browser(arguments.checkpoint, arguments.dataset, arguments.which, arguments.limit)
