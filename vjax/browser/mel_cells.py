"""Draws a log-mel spectrogram in characters: each cell is an upper half block, whose two colours are two pixels."""

import numpy as np
from rich.color import Color
from rich.style import Style
from rich.text import Text

from vjax.audio.mel import MelConfig, bands_below, power_db

RANGE_DB = 70.0
"""Pixels at least this far below the loudest one are drawn black."""

# Matplotlib's colour map magma at nine evenly spaced levels. Importing matplotlib for it would take half a second.
_MAGMA = np.array(
    [
        (0, 0, 4),
        (28, 16, 68),
        (79, 18, 123),
        (129, 37, 129),
        (181, 54, 122),
        (229, 80, 100),
        (251, 135, 97),
        (254, 194, 135),
        (252, 253, 191),
    ],
    np.float64,
)
_TICKS_HZ = (125, 500, 2000, 8000)


def to_db(log_mel: np.ndarray) -> np.ndarray:
    """Converts log(1 + power), as datasets store it, to power in dB, at least -100 dB."""
    return power_db(np.expm1(log_mel.astype(np.float64)))


def mel_text(mel_db: np.ndarray, width: int, height: int, top_db: float) -> Text:
    """Draws a spectrogram as `height` lines of `width` cells, with low frequencies at the bottom.

    Args:
      mel_db: [n_mels, t] in dB.
      width, height: in cells, at least 1 each; a cell shows two pixels, one above the other.
      top_db: the level of the brightest colour; `RANGE_DB` below it is black.
    """
    pixels = _resampled(_resampled(mel_db, 2 * height, 0), width, 1)[::-1]
    colours = _colours((pixels - top_db) / RANGE_DB + 1)
    lines = []
    for upper, lower in zip(colours[::2], colours[1::2], strict=True):
        line = Text(no_wrap=True, end="")
        # Adjacent cells with the same colours become one span, so that silence costs almost nothing.
        edges = np.flatnonzero((np.diff(upper, axis=0) != 0).any(1) | (np.diff(lower, axis=0) != 0).any(1)) + 1
        for start, stop in zip((0, *edges), (*edges, width), strict=True):
            style = Style(color=Color.from_rgb(*upper[start]), bgcolor=Color.from_rgb(*lower[start]))
            line.append("▀" * int(stop - start), style)
        lines.append(line)
    return Text("\n", no_wrap=True, end="").join(lines)


def frequency_ticks(config: MelConfig, height: int) -> list[str]:
    """A label for each of the `height` lines of a spectrogram: 125, 500, 2k or 8k (Hz), "" for most lines."""
    labels = [""] * height
    for hz, bands in zip(_TICKS_HZ, bands_below(config, _TICKS_HZ), strict=True):
        if bands < config.n_mels:
            line = height - 1 - int(bands * height / config.n_mels)
            labels[line] = f"{hz // 1000}k" if hz >= 1000 else str(hz)
    return labels


def _resampled(image: np.ndarray, size: int, axis: int) -> np.ndarray:
    """The image with `size` pixels along `axis`.

    A smaller `size` takes the loudest of the pixels that are merged, so that thin partials stay visible. A larger one
    repeats pixels.
    """
    length = image.shape[axis]
    if size >= length:
        return np.take(image, np.arange(size) * length // size, axis)
    return np.maximum.reduceat(image, np.arange(size) * length // size, axis)


def _colours(level: np.ndarray) -> np.ndarray:
    """Levels [...] in [0, 1] to colours [..., 3] uint8.

    There are 64 steps. Nobody could distinguish more, and more steps would make more spans.
    """
    position = np.rint(np.clip(level, 0, 1) * 63) / 63 * (len(_MAGMA) - 1)
    return np.stack([np.interp(position, np.arange(len(_MAGMA)), channel) for channel in _MAGMA.T], -1).astype(np.uint8)
