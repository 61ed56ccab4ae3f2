"""`vjax config`: prints every setting of a recipe, with its value, its type and its meaning."""

import argparse
import dataclasses
import inspect
import re
import shutil
import sys
import textwrap
import typing
from collections.abc import Iterator
from typing import Any, NamedTuple

from vjax.cli.command import command_parser, run
from vjax.cli.recipe import RECIPE_HELP, SETTINGS_HELP, parse_arguments, read_config

DESCRIPTION = """\
Prints every setting of a recipe: its name, value, type and meaning. The values are checked as `vjax train` checks them.
"""
EPILOG = f"""\
{SETTINGS_HELP}
examples:
  vjax config tier3
  vjax config tier3:demo --config.train.batch_size=64    # with a changed value
  vjax config configs/shipped.py | grep learning_rate
  vjax train --config tier3 --config.optimizer.learning_rate=1e-4    # uses a setting of this list
"""

_MIN_MEANING = 40  # columns; on a narrower terminal the lines are too long


class Setting(NamedTuple):
    """One setting: its key (such as `train.batch_size`), its value and type as text, and its meaning."""

    key: str
    value: str
    type: str
    meaning: str


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("config", DESCRIPTION, EPILOG)
    parser.add_argument("config", metavar="RECIPE", nargs="?", default="tier3", help=RECIPE_HELP)
    arguments, overrides = parse_arguments(parser, argv)
    return run(parser.prog, lambda: _config(arguments, overrides))


def _config(arguments: argparse.Namespace, overrides: list[str]) -> int:
    print("\n".join(settings_table(read_config(arguments.config, overrides, "RECIPE"))))
    return 0


def add_settings_to_help(parser: argparse.ArgumentParser, recipe: str) -> None:
    """Makes the parser's help end with every setting of a recipe. They are read only if the help is requested."""
    usual = parser.format_help

    def format_help() -> str:
        table = settings_table(read_config(recipe, []))
        return "\n".join([usual(), f"every setting, with its value in {recipe}, its type and its meaning:", *table, ""])

    parser.format_help = format_help


def settings_table(config: Any) -> list[str]:
    """The lines of a table of all settings of a configuration. In a terminal they are wrapped."""
    found = list(settings(config))
    keys, values, types = (max(len(one[i]) for one in found) for i in range(3))
    indent = " " * (keys + values + types + 6)
    # Wrap lines only in a terminal: grep needs each setting in one line.
    columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    lines = []
    for one in found:
        head = f"{one.key:{keys}}  {one.value:{values}}  {one.type:{types}}  "
        width = max(columns - len(indent), _MIN_MEANING) if columns else len(one.meaning) + 1
        lines.append(head + f"\n{indent}".join(textwrap.wrap(one.meaning, width)))
    return lines


def settings(config: Any, key: str = "") -> Iterator[Setting]:
    """All settings of a configuration, or of its section at `key`, in their order. Sections are dataclasses."""
    documented = meanings(type(config))
    for name, hint in typing.get_type_hints(type(config)).items():
        value, path = getattr(config, name), f"{key}.{name}" if key else name
        if dataclasses.is_dataclass(value):
            yield from settings(value, path)
        else:
            yield Setting(path, _text(value), _type_text(hint), documented.get(name, ""))


def meanings(section: type) -> dict[str, str]:
    """The meaning of each field, read from the section `Attributes:` of the dataclass's docstring."""
    _, _, attributes = (inspect.getdoc(section) or "").partition("\nAttributes:\n")
    found: dict[str, str] = {}
    names: list[str] = []
    for line in attributes.splitlines():
        if line and not line.startswith(" "):
            break
        entry = re.match(r"  (\w+(?:, \w+)*): (.*)", line)
        if entry:
            names = entry.group(1).split(", ")
            found |= dict.fromkeys(names, entry.group(2))
        elif line.strip():
            found |= {name: f"{found[name]} {line.strip()}" for name in names}
    return found


def _text(value: Any) -> str:
    """A value in the form that the command line accepts."""
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value) if value != "" else '""'


def _type_text(hint: Any) -> str:
    return "ints" if typing.get_origin(hint) is tuple else hint.__name__
