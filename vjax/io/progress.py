"""Progress bars: updated often in a terminal, but only every 30 s in a log."""

import sys
from typing import Any

from tqdm import tqdm


def progress_bar(*args: Any, **kwargs: Any) -> tqdm:
    """`tqdm(...)` that does not flood a log file."""
    in_terminal = sys.stderr.isatty()
    return tqdm(*args, mininterval=0.2 if in_terminal else 30.0, **kwargs)
