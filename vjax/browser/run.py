"""Runs the browser."""

import contextlib

from vjax.browser import playback
from vjax.browser.app import Browser


def run_browser(checkpoint: str, dataset: str, which: str = "best", limit: int = 0) -> int:
    """Opens the browser and waits until the user leaves it. Returns the exit code.

    Args:
      checkpoint: a training run's folder.
      dataset: a file or a folder of shards.
      which: "best" or "latest".
      limit: at most N sounds; 0 for all.

    Raises:
      CheckpointError, DatasetError, ValueError: the checkpoint or the dataset cannot be used.
    """
    with contextlib.suppress(playback.PlaybackError):  # the keys t and p report it
        playback.check_playback()
    app = Browser(checkpoint, dataset, which, limit)
    error = app.run()
    if error is not None:
        raise error
    return app.return_code or 0
