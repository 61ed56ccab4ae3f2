"""Describes a dataset file of the earlier program: the report's layout, with few attributes or none at all.

This module fills in what vjax needs and the file does not state. Names and ranges come from the engine if the counts
match. Otherwise the names are numbered (`destination_17`).
"""

import dataclasses
import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from absl import logging

from vjax.data import layout
from vjax.data.layout import DatasetError, text
from vjax.sound.routes import CHANNELS
from vjax.sound.schema import CATALOG_CHOICES, TIERS, WAVETABLE_CHOICES, Categorical, Continuous, Schema

_BLOCK_ROWS = 4096


def describe(file: h5py.File, find_catalog: bool = True) -> tuple[Schema, int, str | None, str | None]:
    """Returns (schema, tier, wavetable catalog JSON, its digest) of an open file.

    Args:
      find_catalog: whether to read the catalog at the attribute `wavetable_catalog_path`.

    Raises:
      DatasetError: an attribute contradicts the arrays, an option index is negative, or the catalog that the data refer
        to is missing.
    """
    attributes = read_attributes(file)
    has_modulation = layout.DENSE_ROUTES in file or layout.finished(file, layout.FAST_DENSE_ROUTES)
    tier = int(attributes.get("tier", 3 if has_modulation else 1))
    if tier not in TIERS:
        raise DatasetError(f"{file.filename}: attribute tier is {tier}; expected one of {TIERS}")
    schema = _schema(file, attributes)
    catalog_json = _catalog(file, attributes, schema) if find_catalog else None
    found = None if catalog_json is None else layout.digest(catalog_json)
    return schema, tier, catalog_json, attributes.get("catalog_sha256", found)


def read_attributes(file: h5py.File) -> dict[str, Any]:
    """Returns one dict of the attributes of the file and of a group `schema`, and of the items in a JSON `schema`."""
    raw = dict(file.attrs)
    if isinstance(file.get("schema"), h5py.Group):
        raw |= dict(file["schema"].attrs)
    attributes = {name: plain(value) for name, value in raw.items()}
    nested = attributes.pop("schema", None)
    return attributes | (nested if isinstance(nested, dict) else {})


def plain(value: Any) -> Any:
    """Converts an attribute to Python values: bytes to text, arrays to lists, and JSON lists and objects parsed."""
    if isinstance(value, np.ndarray):
        return [plain(item) for item in value.tolist()]
    if isinstance(value, (str, bytes)):
        value = text(value)
        if value.lstrip()[:1] in ("[", "{"):
            try:
                return json.loads(value)
            except ValueError:
                return value
    return value


def _schema(file: h5py.File, attributes: dict[str, Any]) -> Schema:
    n_continuous = _width(file, layout.CONTINUOUS, 2)
    n_categorical = _width(file, layout.CATEGORICAL, 2)
    n_sources = n_destinations = 0
    for name in (layout.DENSE_ROUTES, layout.FAST_DENSE_ROUTES):
        if name in file:
            n_sources, n_destinations = _width(file, name, 4, -2), _width(file, name, 4)
            n_channels = _width(file, name, 4, 1)
            if n_channels != len(CHANNELS):
                raise DatasetError(
                    f"{file.filename}: {name} has {n_channels} channels; expected {len(CHANNELS)}: {CHANNELS}"
                )
            break
    from vjax.engine.schema import engine_schema  # here, so that processes that only read data do not import vita

    engine = engine_schema()
    matches = len(engine.continuous) == n_continuous
    continuous = engine.continuous if matches else _numbered_knobs(n_continuous)
    categorical, menus_match = _menus(file, engine, n_categorical)
    return Schema(
        continuous=continuous,
        categorical=categorical,
        sources=_names(file, attributes, "mod_source_names", n_sources, engine.sources, "source"),
        destinations=_names(
            file, attributes, "mod_destination_names", n_destinations, engine.destinations, "destination"
        ),
        engine=engine.engine if matches and menus_match else "",
    )


def with_one_size(schemas: Sequence[Schema]) -> list[Schema]:
    """Returns the schemas of one run's files, each categorical parameter with its largest option count in any file.

    The option counts differ because a file contains only the options that it uses.
    """
    columns = [schema.categorical for schema in schemas]
    if len({len(menus) for menus in columns}) > 1:
        return list(schemas)
    sizes = [max(menu.n_options for menu in menus) for menus in zip(*columns, strict=True)]

    def sized(menus: tuple[Categorical, ...]) -> tuple[Categorical, ...]:
        return tuple(dataclasses.replace(menu, n_options=size) for menu, size in zip(menus, sizes, strict=True))

    return [dataclasses.replace(schema, categorical=sized(schema.categorical)) for schema in schemas]


def _width(file: h5py.File, name: str, n_axes: int, axis: int = -1) -> int:
    shape = layout.require(file, name).shape
    if len(shape) != n_axes:
        raise DatasetError(f"{file.filename}: {name} has shape {list(shape)}; expected {n_axes} axes, rows first")
    return shape[axis]


def _numbered_knobs(count: int) -> tuple[Continuous, ...]:
    return tuple(Continuous(f"continuous_{i}", 0.0, 1.0, 0.0) for i in range(count))


def _menus(file: h5py.File, engine: Schema, width: int) -> tuple[tuple[Categorical, ...], bool]:
    """Returns the categorical parameters, and whether they are the engine's.

    The engine's may be alone, with the wavetable choices, or also with the LFO shapes. Their option counts are raised
    to fit the data, because the earlier program's engine had other option counts.
    """
    lowest, highest = _extremes(layout.require(file, layout.CATEGORICAL))
    for column in np.flatnonzero(lowest < 0)[:1]:
        raise DatasetError(
            f"{file.filename}: column {column} of {layout.CATEGORICAL} contains {lowest[column]}; "
            "menu indices start at 0"
        )
    named = tuple(menu for menu in engine.categorical if menu.name not in CATALOG_CHOICES)
    if width - len(named) not in (0, len(WAVETABLE_CHOICES), len(CATALOG_CHOICES)):
        return tuple(Categorical(f"categorical_{i}", 0, int(highest[i]) + 1, 0) for i in range(width)), False
    sizes = [max(menu.n_options, int(most) + 1) for menu, most in zip(named, highest, strict=False)]
    grown = [f"{menu.name} to {n}" for menu, n in zip(named, sizes, strict=True) if n > menu.n_options]
    if grown:
        _warn_once(
            f"{file.filename}: menus contain options that {engine.engine} does not have; their sizes were raised: "
            f"{', '.join(grown)}. Were the columns written in another order?"
        )
    named = tuple(dataclasses.replace(menu, n_options=n) for menu, n in zip(named, sizes, strict=True))
    choices = zip(CATALOG_CHOICES, highest[len(named) :], strict=False)  # as many as there are columns
    return (*named, *(Categorical(name, 0, int(most) + 1, 0) for name, most in choices)), True


@functools.cache
def _warn_once(message: str) -> None:
    logging.warning("%s", message)


def _extremes(menus: h5py.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Returns the smallest and the largest index of each column, [n_categorical] each."""
    blocks = [menus[start : start + _BLOCK_ROWS] for start in range(0, len(menus), _BLOCK_ROWS)]
    return np.min([block.min(0) for block in blocks], 0), np.max([block.max(0) for block in blocks], 0)


def _names(
    file: h5py.File, attributes: dict[str, Any], attribute: str, count: int, engine: tuple[str, ...], stem: str
) -> tuple[str, ...]:
    if count == 0:
        return ()
    if attribute in attributes:
        names = tuple(attributes[attribute])
        if len(names) != count:
            raise DatasetError(f"{file.filename}: attribute {attribute} has {len(names)} names; the matrix has {count}")
        return names
    return engine if len(engine) == count else tuple(f"{stem}_{i}" for i in range(count))


def _is_catalog(content: str) -> bool:
    """Whether a text looks like a catalog, of vjax or of the earlier program.

    The path comes from whoever wrote the dataset. The text goes into checkpoints, which people share: it must not be
    another file of this machine.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and isinstance(found.get("tables", found.get("wavetables")), list)


def _catalog(file: h5py.File, attributes: dict[str, Any], schema: Schema) -> str | None:
    """Returns the text of the catalog at `wavetable_catalog_path`; None without one.

    A relative path starts at the working directory or at the dataset's folder.
    """
    path = attributes.get("wavetable_catalog_path")
    if not path:
        return None
    for candidate in (Path(path), Path(file.filename).parent / path):
        if candidate.is_file():
            content = layout.read_catalog(candidate)
            if "catalog_sha256" not in attributes and not _is_catalog(content):
                raise DatasetError(
                    f"{file.filename}: wavetable_catalog_path is {path}, which is not a wavetable catalog; correct the "
                    "attribute"
                )
            return content
    problem = f"{file.filename}: there is no file at its wavetable_catalog_path {path}, nor beside the dataset"
    for menu in schema.categorical:
        if menu.name in CATALOG_CHOICES and menu.n_options > 1:
            raise DatasetError(
                f"{problem}; {menu.name} chooses from {menu.n_options} entries of that catalog: put the file there, or "
                "correct the attribute"
            )
    _warn_once(f"{problem}; it is not used, because the data do not use a catalog")
    return None
