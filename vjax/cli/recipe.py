"""The flag `--config`: recipes by name or from a file, and the overrides `--config.section.name=value`."""

import argparse
import difflib
import importlib.util
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vjax.cli.command import UsageError

if TYPE_CHECKING:
    import ml_collections

    from vjax.training.config import Config

TIERS = {"tier1": 1, "tier2": 2, "tier3": 3}

SETTINGS_HELP = """\
settings:
  --config.section.name=value changes a setting of the recipe. Sections are data, generation (with sampling, render and
  mel inside), augment, disturb, model, loss, posterior, optimizer and train. `vjax config RECIPE` prints all settings
  with their values and meanings. Your own recipe is a Python file with get_config(variant), like those in configs/ of
  the repository.
"""
RECIPE_HELP = (
    f"{', '.join(TIERS)}, or a file such as configs/tier3.py; a variant, demo or smoke, may follow "
    "after a colon (default %(default)s)"
)

_TYPES = {bool: "true or false", int: "an integer", float: "a number"}
_BOOLEANS = ("true", "t", "1", "false", "f", "0", "")  # absl's; empty is a flag without a value
_OVERRIDE = re.compile(r"--?(no)?config\.")


def get_config(text: str) -> "ml_collections.ConfigDict":
    """The recipe `tierN` or `tierN:variant`, the same as in configs/tierN.py. Raises ValueError for an unknown one."""
    from vjax.training.config import base_config

    tier, _, variant = text.partition(":")
    if tier not in TIERS:
        near = difflib.get_close_matches(tier, TIERS, n=1)
        hint = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no recipe or file {tier!r}; choose {', '.join(TIERS)} or a Python file{hint}")
    return base_config(TIERS[tier], variant)


def add_config_flag(parser: argparse.ArgumentParser, default: str) -> None:
    """Adds `--config` with its help. Parse with `parse_arguments`, which accepts the overrides."""
    parser.add_argument("--config", metavar="RECIPE", default=default, help=RECIPE_HELP)


def parse_arguments(parser: argparse.ArgumentParser, argv: list[str] | None) -> tuple[argparse.Namespace, list[str]]:
    """Parses a command line with overrides. Exits with code 2 if it contains any other unknown argument.

    Returns:
      The arguments that `parser` defines, and the overrides, each as `--config.section.name=value`.
    """
    arguments, rest = parser.parse_known_args(argv)
    overrides: list[str] = []
    unknown = []
    for i, argument in enumerate(rest):
        if _OVERRIDE.match(argument):
            overrides.append(argument)
        elif i and _OVERRIDE.match(rest[i - 1]) and "=" not in rest[i - 1]:
            overrides[-1] += f"={argument}"
        else:
            unknown.append(argument)
    if unknown:
        parser.error(f"unrecognized arguments: {' '.join(unknown)}")
    return arguments, overrides


def read_config(text: str, overrides: list[str], argument: str = "--config") -> "Config":
    """The recipe `text` with its overrides. Also configures absl as jax, Orbax and Grain need it.

    Args:
      argument: what gives the recipe on the command line; errors name it.

    Raises UsageError, with a message of one line, if a recipe or a setting does not exist, or if a value is invalid.
    """
    from absl import flags, logging
    from ml_collections import config_flags

    from vjax.training.config import unpack

    logging.set_verbosity(logging.WARNING)  # jax and Orbax log much below this level
    logging.use_absl_handler()
    if not flags.FLAGS.is_parsed():
        flags.FLAGS.mark_as_parsed()  # Grain passes absl's flags to its workers, which needs parsed flags

    try:
        recipe = _load(text)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{argument} {text}: {error}") from error
    values = flags.FlagValues()
    try:
        config_flags.DEFINE_config_dict("config", recipe, flag_values=values, sys_argv=overrides)
        values(["", *overrides])
        return unpack(values.config)
    except (AttributeError, KeyError) as error:  # no such setting; often a similar name on a second line
        message = str(error).strip("\"'").replace("\\n", ". ").replace("\n", ". ").replace("\\", "")
        hint = "" if "Did you mean" in message else f" is not a setting; the sections are {', '.join(recipe)}"
        raise UsageError(f"a --config flag is wrong: {message}{hint}") from error
    except flags.IllegalFlagValueError as error:
        raise UsageError(_expected_type(recipe, overrides) or f"a --config flag is wrong: {_line(error)}") from error
    except (TypeError, ValueError, flags.Error) as error:  # a value that the recipe refuses
        raise UsageError(f"a --config flag is wrong: {_line(error)}") from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())


def _expected_type(recipe: "ml_collections.ConfigDict", overrides: list[str]) -> str:
    """The first override whose value has the wrong type, and what was expected; empty if there is none."""
    for override in overrides:
        name, _, value = override.partition("=")
        setting: Any = recipe
        for part in name.split(".")[1:]:
            setting = setting.get(part) if hasattr(setting, "get") else None
        if type(setting) in _TYPES and not _is(type(setting), value):
            return f"{name}: expected {_TYPES[type(setting)]}, got {value!r}"
    return ""


def _is(kind: type, text: str) -> bool:
    if kind is bool:
        return text.lower() in _BOOLEANS
    try:
        kind(text)
    except ValueError:
        return False
    return True


def _load(text: str) -> "ml_collections.ConfigDict":
    name, colon, variant = text.partition(":")
    if name in TIERS or not Path(name).is_file():
        return get_config(text)
    spec = importlib.util.spec_from_file_location("vjax_recipe", name)
    if spec is None or spec.loader is None:
        raise ValueError(f"{name} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    if not hasattr(module, "get_config"):
        raise ValueError(f"{name} has no function get_config(variant)")
    config = module.get_config(variant) if colon else module.get_config()
    missing = [section for section in get_config("tier3") if section not in config]
    if missing:
        raise ValueError(f"its get_config returns no {', '.join(missing)}; begin with base_config(tier, variant)")
    return config
