"""The flag `--scheduler`: which processes render."""

import argparse

from vjax.cli.old_names import add_old_name

SCHEDULER_HELP = """\
scheduler:
  With --scheduler ray, the render jobs go to a Ray cluster: the one at RAY_ADDRESS, else the one started by `ray start`
  on this machine. If there is none, the command starts a cluster of this machine's cores and stops it at the end. On
  machines of one kind the results are the same, bit for bit. If a machine is lost, another one renders its sound again.
  Each machine needs the same version of vjax with its extra, vjax[cluster]. Files are read and written on this machine
  only.
"""

_CHOICES = ("local", "ray")


def add_scheduler_flag(parser: argparse.ArgumentParser) -> None:
    """Adds `--scheduler`, and its old name `--engine`. The epilog of the command should contain SCHEDULER_HELP."""
    parser.add_argument(
        "--scheduler",
        choices=_CHOICES,
        default=_CHOICES[0],
        help="what runs the render jobs: this machine, or a Ray cluster (see below; default %(default)s)",
    )
    add_old_name(parser, "--engine", "--scheduler", choices=_CHOICES)
