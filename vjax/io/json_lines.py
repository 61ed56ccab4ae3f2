"""Files with one JSON value on each line.

One program appends while others read, and a kill may cut the last line anywhere. Reading changes no file and ignores an
unfinished last line, because its writer may be writing it at this moment.
"""

import json
import os
from pathlib import Path
from typing import Any


def read_lines(path: Path) -> list[Any]:
    """The values of all finished lines; none if there is no file.

    Raises ValueError naming a line that is not JSON, such as a blank line.
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


def append_line(path: Path, value: dict[str, Any], allow_nan: bool = False) -> None:
    """Appends a value as one line, which is on the disk before this returns. So a run that is killed continues from it.

    Before that, it repairs the last line. A line that only lacks its line break gets one; one that was cut short is
    removed.

    Raises:
      ValueError: NaN or infinity, unless `allow_nan` permits what Python writes for them.
      OSError: names the file. It may end with a part of the line then, which `read_lines` ignores.
    """
    text = json.dumps(value, allow_nan=allow_nan) + "\n"
    try:
        _end_last_line(path)
        with open(path, "a", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, os.fspath(path)) from error


def _end_last_line(path: Path) -> None:
    if not path.exists():
        return
    last = path.read_bytes().rpartition(b"\n")[2]
    if _is_whole(last):
        with open(path, "ab") as file:
            file.write(b"\n")
    elif last:
        os.truncate(path, path.stat().st_size - len(last))


def _is_whole(line: bytes) -> bool:
    """Whether a line is a complete JSON object. The beginning of an object is not valid JSON."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
