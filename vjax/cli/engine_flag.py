"""The flag `--engine`: where sounds are rendered."""

import argparse

ENGINE_HELP = """\
engine:
  With --engine ray the work goes to the Ray cluster at RAY_ADDRESS, or the one that `ray start` began on this machine;
  where there is none, to one of this machine's cores, for the time of the command. What comes out is the same to the
  bit on machines of a kind, and a lost machine costs only what it was rendering. Each machine needs the same vjax with
  its extra, vjax[cluster]; files are read and written here alone.
"""


def add_engine_flag(parser: argparse.ArgumentParser) -> None:
    """`--engine`, with its help; ENGINE_HELP belongs into the epilog."""
    parser.add_argument(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="what renders: this machine, or a Ray cluster (see below; default %(default)s)",
    )
