"""TensorBoard: scalars, sounds and mel pictures under one folder."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorboardX


class Writer:
    """Writes event files that TensorBoard reads, or nothing at all if not `enabled`. Use as a context manager."""

    def __init__(self, directory: str | Path, first_step: int = 0, enabled: bool = True):
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

    def flush(self) -> None:
        self._writer.flush()
