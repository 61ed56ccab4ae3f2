"""Pictures of what vjax holds: a catalog's wavetables and LFO shapes."""

import math

import numpy as np

from vjax.vital import spectra
from vjax.vital.lfo_shapes import shape_values
from vjax.vital.vocabulary import Vocabulary

_COLUMNS = 10


def catalog_picture(vocabulary: Vocabulary) -> np.ndarray:
    """Each wavetable's bands of harmonics over its frames, then each LFO shape; [height, width, 3] uint8."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    catalog, shapes = spectra.with_spectra(vocabulary.wavetables), vocabulary.lfo_shapes
    table_rows, shape_rows = math.ceil(len(catalog) / _COLUMNS), math.ceil(len(shapes) / _COLUMNS)
    rows = table_rows + shape_rows
    figure = Figure(figsize=(1.5 * _COLUMNS, 1.25 * rows), dpi=80, layout="constrained")
    axes = figure.subplots(rows, _COLUMNS, squeeze=False)
    for axis in axes.ravel():
        axis.axis("off")
    for i, (name, spectrum) in enumerate(zip(catalog.names, catalog.spectra, strict=True)):
        axis = axes[divmod(i, _COLUMNS)]
        top = spectrum.max()
        axis.imshow(spectrum.T, origin="lower", aspect="auto", cmap="magma", vmin=top - spectra.FLOOR_DB, vmax=top)
        axis.set_title(f"{i} {name:.16}", fontsize=7)
    for i, (name, shape) in enumerate(zip(shapes.names, shapes.shapes, strict=True)):
        axis = axes[table_rows + i // _COLUMNS, i % _COLUMNS]
        axis.plot(shape_values(shape, 128), color="#444", linewidth=1)
        axis.set_ylim(-0.1, 1.1)
        axis.set_title(f"{i} {name:.16}", fontsize=7)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
