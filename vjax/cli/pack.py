"""`vjax pack`: makes a checkpoint small enough to distribute."""

import argparse

from vjax.cli.command import command_parser, run
from vjax.shipped import checkpoint_folder

DESCRIPTION = """\
Writes a small copy of a training run's checkpoint: weights in bfloat16, no optimiser, no paths of this machine. Every
command that takes --checkpoint takes the packed folder, too.
"""
EPILOG = """\
examples:
  vjax pack runs/tier3 --out model
  vjax match sound.wav --checkpoint model
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("pack", DESCRIPTION, EPILOG)
    parser.add_argument("checkpoint", metavar="RUN", type=checkpoint_folder, help="a training run's folder")
    parser.add_argument("--which", choices=("best", "latest"), default="best", help="which checkpoint (default best)")
    parser.add_argument("--no-bank", action="store_true", help="leave out the bank of training sounds")
    parser.add_argument(
        "--credit",
        default="",
        metavar="TEXT",
        help="credit to the authors of the bank's presets; it is written into presets made from the bank",
    )
    parser.add_argument("--out", required=True, metavar="DIR", help="an empty or new folder")
    arguments = parser.parse_args(argv)
    kept = f"{arguments.out} was not written; start the same command again"
    return run(parser.prog, lambda: _pack(arguments), kept)


def _pack(arguments: argparse.Namespace) -> int:
    from vjax.training.packing import pack

    packed = pack(arguments.checkpoint, arguments.out, arguments.which, not arguments.no_bank, arguments.credit)
    before, after = packed.bytes_before / 1e6, packed.bytes_after / 1e6
    print(f"{arguments.out}: step {packed.step}, {packed.parameters:,} parameters, {before:.1f} MB to {after:.1f} MB")
    print("with the bank of training sounds" if packed.bank else "without a bank of training sounds")
    return 0
