"""Tests the image of a catalog."""

import numpy as np
import pytest

from vjax.report.catalog_images import catalog_image
from vjax.vital.default_vocabulary import default_vocabulary
from vjax.vital.lfo_shapes import LfoShapeCatalog, shape_json
from vjax.vital.vocabulary import Vocabulary


def chosen(tables, shapes):
    """Entries of the shipped catalog, which contains spectra."""
    shipped = default_vocabulary()
    return Vocabulary(
        shipped.wavetables.chosen(tables), LfoShapeCatalog(tuple(shipped.lfo_shapes.shapes[i] for i in shapes))
    )


@pytest.fixture(scope="module")
def image():
    """The tables Sine and Init (a saw), the shapes Saw Up and Saw Down."""
    return catalog_image(chosen([1, 0], [2, 3]))


def cells(image):
    """The two tables and the two shapes: with one row of ten of each, the first of ten columns in each half."""
    tables, shapes = np.array_split(image, 2, axis=0)
    return [np.array_split(row, 10, axis=1)[:2] for row in (tables, shapes)]


def test_catalog_image_draws_tables_and_shapes_in_order_each_in_its_cell(image):
    assert (image.dtype, image.shape[2]) == (np.uint8, 3)
    (sine, saw), (up, down) = cells(image)
    # A sine is one bright line on black; a saw has all harmonics.
    black = [(table.max(-1) < 10).sum() for table in (sine, saw)]
    assert black[0] > 10 * black[1]
    red, _, blue = np.moveaxis(sine.astype(int), -1, 0)
    rows, columns = np.nonzero(red - blue > 40)
    assert np.ptp(rows) < 5 < np.ptp(columns) / 10, "over all frames"
    for shape, expected in ((up, -1), (down, 1)):  # rows are counted from the top
        curve = shape[round(0.45 * len(shape)) :].max(-1) < 128  # dark on white, below its name
        assert np.corrcoef(*np.nonzero(curve))[0, 1] == pytest.approx(expected, abs=0.1)
    assert (image[40:, image.shape[1] // 2 :] == 255).mean() > 0.99, "cells without an entry are white"


def test_catalog_image_is_deterministic_and_grows_by_rows_of_ten(image):
    np.testing.assert_array_equal(image, catalog_image(chosen([1, 0], [2, 3])))
    ten, eleven = (catalog_image(chosen(range(n), [0])) for n in (10, 11))
    more_shapes = catalog_image(chosen(range(10), range(11)))
    assert ten.shape == image.shape
    assert len(eleven) == len(more_shapes) == len(ten) + 100
    assert eleven.shape[1] == ten.shape[1]


def test_catalog_image_without_spectra_renders_the_tables_first(engine_vocabulary):
    assert engine_vocabulary.wavetables.spectra is None
    assert catalog_image(engine_vocabulary).std() > 10


def test_catalog_image_with_special_characters_in_names_does_not_fail():
    odd = chosen([0], [0])
    shapes = LfoShapeCatalog((shape_json("$x^{$ 低音 🎹", [(0, 0), (1, 1)]), *odd.lfo_shapes.shapes))
    catalog_image(Vocabulary(odd.wavetables, shapes))
