"""What a run leaves behind for people: scalars, sounds and pictures for TensorBoard, and lines of text."""

import datetime
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorboardX
from tqdm import tqdm


class Writer:
    """Writes event files that TensorBoard reads, and a log. Use as a context manager.

    Args:
      directory: gets the event files.
      first_step: the first step that is written; what the files hold of it and later ones is taken back.
      enabled: False writes and prints nothing at all.
      log: a text file that `line` appends to; None for none.
    """

    def __init__(self, directory: str | Path, first_step: int = 0, enabled: bool = True, log: str | Path | None = None):
        self._enabled, self._log = enabled, log
        # A resumed run repeats the steps after its checkpoint: what was logged of them before is taken back. The suffix
        # keeps two runs that start within a second out of one file.
        self._writer = tensorboardX.SummaryWriter(
            str(directory), purge_step=first_step or None, filename_suffix=f".{first_step}", write_to_disk=enabled
        )

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_) -> None:
        self._writer.close()

    def scalars(self, prefix: str, values: Mapping[str, float], step: int) -> None:
        """Logs each value as `prefix/name`."""
        for name, value in values.items():
            self._writer.add_scalar(f"{prefix}/{name}", value, step)

    def audio(self, tag: str, audio: np.ndarray, sample_rate: int, step: int) -> None:
        """A sound, [channels, samples] float in [-1, 1]; louder ones are scaled down to fit."""
        peak = max(float(np.abs(audio).max()), 1.0)
        self._writer.add_audio(tag, (audio / peak).T, step, sample_rate=sample_rate)

    def image(self, tag: str, picture: np.ndarray, step: int) -> None:
        """A picture, [height, width, 3] uint8."""
        self._writer.add_image(tag, picture, step, dataformats="HWC")

    def text(self, tag: str, text: str, step: int) -> None:
        self._writer.add_text(tag, text, step)

    def line(self, text: str, echo: bool = True) -> None:
        """Appends a line to the log, with the time. `echo`: prints it too, above a progress bar."""
        if not self._enabled:
            return
        if echo:
            tqdm.write(text)
        if self._log is not None:
            with open(self._log, "a") as log:
                log.write(f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")

    def flush(self) -> None:
        self._writer.flush()
