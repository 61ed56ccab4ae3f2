"""Images of a catalog's wavetables and LFO shapes."""

import math
from typing import Any

import numpy as np

from vjax.audio.mel_images import figure_pixels
from vjax.vital import table_spectra
from vjax.vital.lfo_shapes import shape_values
from vjax.vital.vocabulary import Vocabulary

_COLUMNS = 10
_ROW_INCHES, _TITLE_INCHES = 1.25, 0.5


def catalog_image(vocabulary: Vocabulary) -> np.ndarray:
    """An image of each wavetable's bands of harmonics over its frames, then of each LFO shape.

    Returns:
      [height, width, 3] uint8.
    """
    from matplotlib.figure import Figure

    catalog, shapes = table_spectra.with_spectra(vocabulary.wavetables), vocabulary.lfo_shapes
    parts = (
        (f"Wavetables: {len(catalog)}. Frames from left to right, harmonics 1 to 128 upwards", catalog.names),
        (f"LFO shapes: {len(shapes)}. One cycle each", shapes.names),
    )
    inches = [_TITLE_INCHES + _ROW_INCHES * math.ceil(len(names) / _COLUMNS) for _, names in parts]
    figure = Figure(figsize=(1.5 * _COLUMNS, sum(inches)), dpi=80)
    halves: Any = figure.subfigures(2, 1, height_ratios=inches)
    tables, curves = halves
    for axis, spectrum in zip(_axes(tables, *parts[0]), catalog.known_spectra(), strict=True):
        top = spectrum.max()
        axis.imshow(
            spectrum.T, origin="lower", aspect="auto", cmap="magma", vmin=top - table_spectra.FLOOR_DB, vmax=top
        )
    for axis, shape in zip(_axes(curves, *parts[1]), shapes.shapes, strict=True):
        axis.plot(shape_values(shape, 128), color="#444", linewidth=1)
        axis.set_ylim(-0.1, 1.1)
    return figure_pixels(figure)


def _axes(part: Any, title: str, names: tuple[str, ...]) -> list[Any]:
    """An axis for each name, with the name above it. The axes are in rows of `_COLUMNS`, below the title."""
    rows = math.ceil(len(names) / _COLUMNS)
    inches = _TITLE_INCHES + _ROW_INCHES * rows
    part.suptitle(title, fontsize=11, y=1 - 0.08 / inches, verticalalignment="top")
    # Set the layout by hand: matplotlib's own layout takes longer than all the drawing.
    edges = {"left": 0.01, "right": 0.99, "bottom": 0.04 / inches, "top": 1 - _TITLE_INCHES / inches}
    axes = part.subplots(rows, _COLUMNS, squeeze=False, gridspec_kw={**edges, "wspace": 0.07, "hspace": 0.25})
    for axis in axes.ravel():
        axis.axis("off")
    for i, (axis, name) in enumerate(zip(axes.ravel(), names, strict=False)):
        axis.set_title(f"{i} {name:.21}", fontsize=7, pad=2, parse_math=False)
    return list(axes.ravel()[: len(names)])
