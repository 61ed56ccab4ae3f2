"""Checks settings when they are parsed. Errors name the whole key: `generation.render.note_s`, not `note_s`."""

import dataclasses
import difflib
import math
import re
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")

_EXPECTED = {int: "an integer", float: "a finite number", str: "text", bool: "True or False"}


def make_section(key: str, section: type[T], values: Mapping[str, Any]) -> T:
    """Returns `section(**values)`, a frozen dataclass.

    Args:
      key: path of the section in the configuration, such as "generation.render"; empty for the top level.

    Raises:
      ValueError: an unknown or missing field, a value of another type than the field's, a number that is not finite, or
        a value that the section itself rejects. The message begins with the key.
    """
    prefix = f"{key}." if key else ""
    hints = typing.get_type_hints(section)
    for name in values:
        if name not in hints:
            near = difflib.get_close_matches(name, hints, n=1)
            hint = f"did you mean {prefix}{near[0]}?" if near else f"choose from {', '.join(hints)}"
            raise ValueError(f"{prefix}{name} is not a setting; {hint}")
    for name, hint in hints.items():
        if name not in values:
            raise ValueError(f"{prefix}{name} is missing; make the recipe from base_config(tier, variant)")
        expected = _mismatch(values[name], hint)
        if expected:
            raise ValueError(f"{prefix}{name}={values[name]!r}; expected {expected}")
    try:
        return section(**values)
    except ValueError as error:
        text = str(error)
        # Errors of a section name only its own fields, because sections are also used without a configuration.
        names_field = re.split(r"\W", text, maxsplit=1)[0] in hints
        raise ValueError(f"{prefix}{text}" if names_field or not key else f"{key}: {text}") from error


def _mismatch(value: Any, hint: Any) -> str:
    """Returns what is expected instead of `value`; empty if it has the type `hint`."""
    if typing.get_origin(hint) is tuple:
        arguments = typing.get_args(hint)
        length = None if arguments[-1] is ... else len(arguments)
        has_length = isinstance(value, tuple) and (length is None or len(value) == length)
        if has_length and not any(_mismatch(item, arguments[0]) for item in value):
            return ""
        return f"{length or 'one or more'} integers, such as {','.join(['48', '60', '72'][: length or 3])}"
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return "" if isinstance(value, hint) else f"the settings of {hint.__name__}"
    plain = isinstance(value, hint) or (hint is float and isinstance(value, int))
    if isinstance(value, bool) and hint is not bool:
        plain = False
    if plain and hint is float and not math.isfinite(value):
        plain = False
    return "" if plain else _EXPECTED[hint]
