"""Writes a run's output for people: scalars, sounds and images for TensorBoard, and lines of text."""

import datetime
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorboardX
from tqdm import tqdm


class Writer:
    """Writes event files that TensorBoard reads, and a log. Use as a context manager.

    A thread writes the event files. If it cannot, the next call here raises its OSError.

    Args:
      directory: folder for the event files.
      first_step: the first step that will be written. Earlier entries of this step and later ones are discarded.
      enabled: False writes and prints nothing.
      log: a text file to which `line` appends; None for no file.
    """

    def __init__(self, directory: str | Path, first_step: int = 0, enabled: bool = True, log: str | Path | None = None):
        self._enabled, self._log = enabled, log
        # A resumed run repeats the steps after its checkpoint, so their earlier entries are discarded. The suffix
        # prevents two runs that start within the same second from writing one file.
        self._writer = tensorboardX.SummaryWriter(
            str(directory),
            purge_step=first_step or None,
            filename_suffix=f".{first_step}",
            write_to_disk=enabled,
            max_queue=0,  # no limit: a full queue would block the training if its thread has ended
        )
        self._error: OSError | None = None
        if enabled:
            self._keep_errors(str(directory))

    def __enter__(self) -> "Writer":
        return self

    def __exit__(self, *_) -> None:
        self._writer.close()

    def _keep_errors(self, directory: str) -> None:
        """Keeps an error of the thread that writes. It would end the thread, and training would wait for it."""
        files: Any = self._writer.file_writer  # its private attributes have no types
        events = files.event_writer._ev_writer

        def kept(call: Callable) -> Callable:
            def attempt(*arguments: Any) -> None:
                try:
                    if self._error is None:
                        call(*arguments)
                except OSError as error:
                    self._error = OSError(error.errno, error.strerror, directory)

            return attempt

        events.write_event, events.flush = kept(events.write_event), kept(events.flush)

    def _check(self) -> None:
        if self._error is not None:
            raise self._error

    def scalars(self, prefix: str, values: Mapping[str, float], step: int) -> None:
        """Logs each value as `prefix/name`."""
        self._check()
        for name, value in values.items():
            self._writer.add_scalar(f"{prefix}/{name}", value, step)

    def audio(self, tag: str, audio: np.ndarray, sample_rate: int, step: int) -> None:
        """Logs a sound, [channels, samples] float in [-1, 1]. A louder sound is scaled down to fit."""
        self._check()
        peak = max(float(np.abs(audio).max()), 1.0)
        self._writer.add_audio(tag, (audio / peak).T, step, sample_rate=sample_rate)

    def image(self, tag: str, image: np.ndarray, step: int) -> None:
        """Logs an image, [height, width, 3] uint8."""
        self._check()
        self._writer.add_image(tag, image, step, dataformats="HWC")

    def text(self, tag: str, text: str, step: int) -> None:
        self._check()
        self._writer.add_text(tag, text, step)

    def line(self, text: str, echo: bool = True) -> None:
        """Appends a line to the log, with the time. With `echo`, also prints it, above a progress bar."""
        if not self._enabled:
            return
        if echo:
            tqdm.write(text)
        if self._log is not None:
            try:
                with open(self._log, "a") as log:
                    log.write(f"{datetime.datetime.now():%Y-%m-%d %H:%M:%S} {text}\n")
            except OSError as error:  # a full disk's error does not name the file
                raise OSError(error.errno, error.strerror, str(self._log)) from None

    def flush(self) -> None:
        self._writer.flush()
        self._check()
