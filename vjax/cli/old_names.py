"""Old names of flags, which still work and print a notice with the new name."""

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import Any


def add_old_name(
    parser: argparse.ArgumentParser,
    old: str,
    new: str,
    type: Callable[[str], Any] = str,
    choices: Sequence[str] = (),
) -> None:
    """Adds a flag `old` that does the same as the flag `new`, prints a notice, and is not in the help.

    Errors about its value name the new flag.

    Args:
      parser: has the flag `new`.
      type, choices: of `add_argument` for `new`.
    """
    name = new.removeprefix("--").replace("-", "_")
    settings = {"convert": type, "allowed": choices}
    parser.add_argument(old, dest=name, default=argparse.SUPPRESS, action=_OldName, help=argparse.SUPPRESS, **settings)


class _OldName(argparse.Action):
    """Sets the value and prints the notice. It checks the value itself: argparse would name the old flag."""

    def __init__(self, *arguments: Any, convert: Callable[[str], Any], allowed: Sequence[str], **settings: Any):
        super().__init__(*arguments, **settings)
        self._convert, self._allowed = convert, allowed

    def __call__(self, parser, namespace, values: Any, option_string=None) -> None:
        new = f"--{self.dest.replace('_', '-')}"
        print(f"{parser.prog}: {option_string} is now {new}", file=sys.stderr)
        if self._allowed and values not in self._allowed:
            parser.error(f"argument {new}: invalid choice: {values!r} (choose from {', '.join(self._allowed)})")
        try:
            setattr(namespace, self.dest, self._convert(values))
        except argparse.ArgumentTypeError as error:
            parser.error(f"argument {new}: {error}")
