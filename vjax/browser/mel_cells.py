"""A log-mel picture in characters: each cell is an upper half block whose two colours are two pixels."""

import numpy as np
from rich.color import Color
from rich.style import Style
from rich.text import Text

from vjax.audio.mel import MelConfig, mel_filterbank

RANGE_DB = 70.0
"""What lies so far below the loudest pixel is drawn black."""

# Matplotlib's magma at nine even places; importing matplotlib for it would take half a second.
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
_FLOOR_DB = -100.0
_TICKS_HZ = (125, 500, 2000, 8000)


def to_db(log_mel: np.ndarray) -> np.ndarray:
    """log(1 + power), as datasets store it, to power in dB, not below -100."""
    return 10 * np.log10(np.maximum(np.expm1(log_mel.astype(np.float64)), 10 ** (_FLOOR_DB / 10)))


def mel_picture(picture_db: np.ndarray, width: int, height: int, top_db: float) -> Text:
    """[n_mels, t] in dB as `height` lines of `width` cells, low frequencies at the bottom.

    Args:
      picture_db: drawn from `top_db` (bright) to `RANGE_DB` below it (black).
      width, height: in cells, at least 1 each; a cell holds two pixels above each other.
    """
    pixels = _resampled(_resampled(picture_db, 2 * height, 0), width, 1)[::-1]
    colours = _colours((pixels - top_db) / RANGE_DB + 1)
    lines = []
    for upper, lower in zip(colours[::2], colours[1::2], strict=True):
        line = Text(no_wrap=True, end="")
        # Neighbours of one colour become one span: a silent end costs next to nothing.
        edges = np.flatnonzero((np.diff(upper, axis=0) != 0).any(1) | (np.diff(lower, axis=0) != 0).any(1)) + 1
        for start, stop in zip((0, *edges), (*edges, width), strict=True):
            style = Style(color=Color.from_rgb(*upper[start]), bgcolor=Color.from_rgb(*lower[start]))
            line.append("▀" * int(stop - start), style)
        lines.append(line)
    return Text("\n", no_wrap=True, end="").join(lines)


def frequency_ticks(config: MelConfig, height: int) -> list[str]:
    """A label for each of `height` lines of a picture, "" for most: 125, 500, 2k and 8k Hz where they lie."""
    peaks_hz = np.argmax(mel_filterbank(config), 1) * config.sample_rate / config.n_fft
    labels = [""] * height
    for hz in _TICKS_HZ:
        if hz < peaks_hz[-1]:
            line = height - 1 - int(np.searchsorted(peaks_hz, hz) * height / len(peaks_hz))
            labels[line] = f"{hz // 1000}k" if hz >= 1000 else str(hz)
    return labels


def _resampled(picture: np.ndarray, size: int, axis: int) -> np.ndarray:
    """The loudest of the pixels that fall together, so that thin partials stay; repeated where there are too few."""
    length = picture.shape[axis]
    if size >= length:
        return np.take(picture, np.arange(size) * length // size, axis)
    return np.maximum.reduceat(picture, np.arange(size) * length // size, axis)


def _colours(level: np.ndarray) -> np.ndarray:
    """[...] in [0, 1] to [..., 3] uint8. 64 steps: more could not be told apart, and would make more spans."""
    place = np.rint(np.clip(level, 0, 1) * 63) / 63 * (len(_MAGMA) - 1)
    return np.stack([np.interp(place, np.arange(len(_MAGMA)), channel) for channel in _MAGMA.T], -1).astype(np.uint8)
