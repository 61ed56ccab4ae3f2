"""The line of progress that `vjax match` shows for one sound."""

import contextlib
import math
import sys
from collections.abc import Callable, Iterator

from vjax.io.file_names import as_text, shortened


@contextlib.contextmanager
def progress_line() -> Iterator[tuple[Callable, Callable[[], str]]]:
    """Yields two functions: one shows the stage of a match and the best candidate so far, one returns the stage."""
    from vjax.io.progress import progress_bar

    bar = progress_bar(total=1, desc="reading the sound", unit="step", leave=False)
    in_terminal = sys.stderr.isatty()  # a log gets one line for each stage

    def show(progress) -> None:
        if is_new := bar.desc.removesuffix(": ") != progress.stage:
            bar.set_description(progress.stage, refresh=False)
        bar.total, bar.n = progress.total, progress.done
        if progress.best:
            best = f"best so far {shortened(as_text(progress.best), 40)}"
            best = best if math.isnan(progress.mss_db) else f"{best}, {progress.mss_db:.2f} dB"
            bar.set_postfix_str(best, refresh=False)
        if in_terminal or is_new:
            bar.refresh()

    with bar:
        yield show, lambda: bar.desc.removesuffix(": ")
