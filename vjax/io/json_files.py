"""JSON files, and numbers for JSON, which has neither NaN nor infinity."""

import json
import math
import os
from typing import Any

from vjax.io.atomic import write_file


def number(value: float) -> float | None:
    """Returns the value; None for NaN and infinity."""
    return float(value) if math.isfinite(value) else None


def short_number(value: float) -> float | None:
    """Returns the value with six digits, the precision of float32; None for NaN and infinity."""
    return float(f"{float(value):.6g}") if math.isfinite(value) else None


def write_json(path: str | os.PathLike, content: Any, allow_nan: bool = False) -> None:
    """Writes JSON, atomically: the file appears complete or not at all.

    Raises ValueError for NaN or infinity, unless `allow_nan` permits what Python writes for them.
    """
    text = json.dumps(content, indent=1, allow_nan=allow_nan, ensure_ascii=False) + "\n"
    write_file(path, text)
