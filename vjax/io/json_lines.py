"""Files of one JSON value a line, to which a program appends while others read, and which a kill may cut anywhere.

Reading changes nothing. A last line that is not finished is not there: its writer may be in the middle of it.
"""

import json
import os
from pathlib import Path
from typing import Any


def read_lines(path: Path) -> list[Any]:
    """The values of all finished lines; none if there is no file. No blank lines.

    Raises ValueError naming a line that is not JSON.
    """
    if not path.exists():
        return []
    *lines, last = path.read_bytes().split(b"\n")
    if _is_whole(last):
        lines.append(last)
    values = []
    for number, line in enumerate(lines, start=1):
        try:
            values.append(json.loads(line))
        except ValueError as error:
            raise ValueError(f"{path}: line {number} is not JSON ({error}); delete the line") from error
    return values


def end_last_line(path: Path) -> None:
    """For a writer, before it appends: ends a last line that only lacks its end, and removes one that was cut short."""
    if not path.exists():
        return
    last = path.read_bytes().rpartition(b"\n")[2]
    if _is_whole(last):
        with open(path, "ab") as file:
            file.write(b"\n")
    elif last:
        os.truncate(path, path.stat().st_size - len(last))


def _is_whole(line: bytes) -> bool:
    """Whether a line is a JSON object; the beginning of one is not JSON."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
