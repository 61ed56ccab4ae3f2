"""Old names of flags, which still work and print a notice with the new name."""

import argparse
import sys
from typing import Any


def add_old_name(parser: argparse.ArgumentParser, old: str, new: str, **settings: Any) -> None:
    """Adds a flag `old` that does the same as the flag `new`, prints a notice, and is not in the help.

    Args:
      parser: has the flag `new`.
      settings: of `add_argument` for `new`, such as `type` or `choices`.
    """
    name = new.removeprefix("--").replace("-", "_")
    parser.add_argument(old, dest=name, default=argparse.SUPPRESS, action=_OldName, help=argparse.SUPPRESS, **settings)


class _OldName(argparse.Action):
    """Sets the value and prints the notice."""

    def __call__(self, parser, namespace, values, option_string=None) -> None:
        print(f"{parser.prog}: {option_string} is now --{self.dest.replace('_', '-')}", file=sys.stderr)
        setattr(namespace, self.dest, values)
