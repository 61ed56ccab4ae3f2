"""Writes shards, and opens a dataset: one file, or a folder of shards with one schema. Imports neither vita nor jax."""

import dataclasses
import functools
import json
import os
from typing import Any, Literal

import h5py
import numpy as np

from vjax.audio.mel_config import MelConfig
from vjax.data import layout, report_layout
from vjax.data.layout import DatasetError, digest, open_hdf5, require, text
from vjax.data.mel_settings import check_sample_rate, stored_mel
from vjax.sound.schema import TIERS, Schema


@dataclasses.dataclass(frozen=True)
class DatasetInfo:
    """Describes a dataset, without its rows.

    Attributes:
      mel: all fields of MelConfig; empty if the file does not state them. `mel_config` is the same as a MelConfig.
      catalog_json: the catalogs from which `osc_*_wavetable` and `lfo_*_shape` choose, if any; in a folder, the first
        shard stores it.
      catalog_sha256: digest of the catalog, stored in every shard.
      modulation: how routes are stored.
      mel_shape: (1, n_mels, t), also if the file has no channel axis.
      paths, counts: the shards and their numbers of rows.
      importance: [n_continuous] float32 loss weights, or None.
      render: how the sounds were played (fields of RenderConfig); empty if the file does not state it.
    """

    schema: Schema
    tier: int
    n: int
    mel: dict[str, Any]
    catalog_json: str | None
    modulation: Literal["none", "sparse", "dense"]
    mel_shape: tuple[int, int, int]
    paths: tuple[str, ...]
    counts: tuple[int, ...]
    importance: np.ndarray | None = dataclasses.field(default=None, compare=False)
    catalog_sha256: str | None = None
    render: dict[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def mel_config(self) -> MelConfig:
        """The mel settings; MelConfig's defaults if the file states none."""
        return MelConfig(**self.mel)


def open_dataset(path: str | os.PathLike, wavetable_catalog: str | os.PathLike = "") -> DatasetInfo:
    """Opens a file, or a folder of shards, in vjax's layout or in the report's (`report_layout`).

    Args:
      wavetable_catalog: a catalog file (.json or .json.gz) that replaces the one that the dataset stores or refers to.
        If the dataset stores a digest, the file must have the same.

    Raises:
      DatasetError: there is no file; a file is incomplete or damaged; a dataset or attribute is missing; a shape is
        wrong; vjax does not support the mel settings; the catalog is missing or wrong; or the shards do not belong
        together.
    """
    given_catalog = layout.read_catalog(wavetable_catalog) if wavetable_catalog else None
    opened = [_open_file(shard, find_catalog=given_catalog is None) for shard in layout.shard_paths(path)]
    shards = [info for info, _ in opened]
    if not any(is_vjax_layout for _, is_vjax_layout in opened):
        schemas = report_layout.with_one_size([shard.schema for shard in shards])
        shards = [dataclasses.replace(shard, schema=schema) for shard, schema in zip(shards, schemas, strict=True)]
    first = shards[0]
    for shard in shards[1:]:
        for field in ("schema", "tier", "mel", "catalog_sha256", "modulation", "mel_shape"):
            expected, found = getattr(first, field), getattr(shard, field)
            if expected != found:
                values = f" ({expected} and {found})" if field in ("tier", "mel", "modulation", "mel_shape") else ""
                raise DatasetError(
                    f"{first.paths[0]} and {shard.paths[0]} differ in {field}{values}; "
                    "the shards of a folder must come from one run of `vjax generate`"
                )
    catalogs = (shard.catalog_json for shard in shards if shard.catalog_json is not None)
    catalog_json = given_catalog if given_catalog is not None else next(catalogs, None)
    catalog_sha256 = None if catalog_json is None else digest(catalog_json)
    if first.catalog_sha256 not in (None, catalog_sha256):
        raise DatasetError(
            f"{path}: the wavetable catalog is "
            + (
                "missing; the first shard of a generated folder stores it for all: put shard-00000.h5 beside the others"
                if catalog_sha256 is None
                else f"another one: its digest is {catalog_sha256}, the dataset stores {first.catalog_sha256}; "
                "give the catalog that the data were made with"
            )
        )
    counts = tuple(shard.n for shard in shards)
    return dataclasses.replace(
        first,
        n=sum(counts),
        counts=counts,
        paths=tuple(path for shard in shards for path in shard.paths),
        catalog_json=catalog_json,
        catalog_sha256=catalog_sha256,
    )


def write_importance(path: str | os.PathLike, weights: np.ndarray) -> None:
    """Stores [n_continuous] loss weights in every shard of the dataset. Replaces earlier ones."""
    weights = np.asarray(weights, np.float32)
    for shard in layout.shard_paths(path):
        with open_hdf5(shard, "r+") as file:
            _check_importance(shard, weights, require(file, layout.CONTINUOUS, "it is not a dataset").shape[1])
            if layout.IMPORTANCE in file:
                require(file, layout.IMPORTANCE)[...] = weights
            else:
                with layout.growing(file, weights.nbytes):
                    file.create_dataset(layout.IMPORTANCE, data=weights, track_times=False)


def remove_importance(path: str | os.PathLike) -> None:
    """Removes the loss weights from every shard of the dataset. Does nothing in shards without them."""
    for shard in layout.shard_paths(path):
        with open_hdf5(shard, "r+") as file:
            if layout.IMPORTANCE in file:
                del file[layout.IMPORTANCE]


def _check_importance(path: str, weights: np.ndarray, n_continuous: int) -> None:
    if weights.shape != (n_continuous,) or not (np.isfinite(weights).all() and (weights >= 0).all()):
        raise DatasetError(
            f"{layout.IMPORTANCE} for {path} has shape {list(weights.shape)}; expected [{n_continuous}], "
            "finite and not negative; make it again with `vjax importance`"
        )


def _open_file(path: str, find_catalog: bool) -> tuple[DatasetInfo, bool]:
    """Describes one file. Also returns whether it is in vjax's layout."""
    with open_hdf5(path) as file:
        contained = ", ".join(sorted(file)) or "nothing"
        n = len(require(file, layout.CONTINUOUS, f"it contains {contained}; give a file of `vjax generate`"))
        require(file, layout.CATEGORICAL, "every dataset needs it; generate it again")
        layout.check_storage(file, _stored_names(file))
        if n == 0:
            raise DatasetError(f"{path} contains 0 rows; leave it out of the dataset")
        is_vjax_layout = layout.is_vjax_layout(file)
        if is_vjax_layout:
            schema, tier = _vjax_attributes(file)
            catalog_json, catalog_sha256 = _catalog(file)
            render = json.loads(text(file.attrs["render"])) if "render" in file.attrs else {}
            for name in (layout.MIDI_NOTE, layout.PRESET_HASH):
                require(file, name, "every shard has it; generate the shard again")
        else:
            schema, tier, catalog_json, catalog_sha256 = report_layout.describe(file, find_catalog)
            render = {}
        mel = stored_mel(file)
        if mel is None:
            check_sample_rate(file, MelConfig())
        if not layout.finished(file, layout.MEL):
            state = "half-filled" if layout.MEL in file else "missing"
            raise DatasetError(f"{path}: {layout.MEL} is {state}; run: vjax precompute mels {path}")
        for name, spec in layout.specs(schema).items():
            if name in file:
                shape = require(file, name).shape
                if name in (layout.MEL, layout.WAVEFORMS) and len(shape) == len(spec.row_shape):
                    shape = (shape[0], 1, *shape[1:])  # written without the channel axis
                layout.check_shape(f"{path}: {name}", shape, n, spec.row_shape)
        importance = None
        if layout.IMPORTANCE in file:
            importance = require(file, layout.IMPORTANCE)[...].astype(np.float32)
            _check_importance(path, importance, len(schema.continuous))
        mel_shape = (1, *require(file, layout.MEL).shape[-2:])
        modulation = modulation_kind(file)
    info = DatasetInfo(
        schema,
        tier,
        n,
        {} if mel is None else dataclasses.asdict(mel),
        catalog_json,
        modulation,
        mel_shape,
        (path,),
        (n,),
        importance,
        catalog_sha256,
        render,
    )
    return info, is_vjax_layout


def _stored_names(file: h5py.File) -> list[str]:
    """The names of all datasets in the file's groups."""
    groups = [group for group in file.values() if isinstance(group, h5py.Group)]
    return [f"{group.name}/{name}" for group in groups for name in group]


def modulation_kind(file: h5py.File) -> Literal["none", "sparse", "dense"]:
    """Returns how the file stores routes; "sparse" if it has both forms."""
    if layout.ROUTE_INDEX in file:
        require(file, layout.ROUTE_VALUE, f"{layout.ROUTE_INDEX} is useless without it; generate the shard again")
        return "sparse"
    if layout.DENSE_ROUTES in file or layout.finished(file, layout.FAST_DENSE_ROUTES):
        return "dense"
    return "none"


def _catalog(file: h5py.File) -> tuple[str | None, str | None]:
    """Returns (the catalog's text, its digest), each None if the shard does not have it."""
    catalog_json = text(file.attrs["catalog"]) if "catalog" in file.attrs else None
    if "catalog_sha256" in file.attrs:
        return catalog_json, text(file.attrs["catalog_sha256"])
    return catalog_json, None if catalog_json is None else digest(catalog_json)


def _vjax_attributes(file: h5py.File) -> tuple[Schema, int]:
    path, attributes = file.filename, file.attrs
    for name in ("schema", *layout.REQUIRED_ATTRIBUTES, "complete"):
        if name not in attributes:
            raise DatasetError(f"{path} has no attribute {name}; the shard is incomplete: delete it, generate it again")
    if not attributes["complete"]:
        raise DatasetError(f"{path} is marked as incomplete; delete it and generate it again")
    stored: Any = attributes["tier"]
    tier = int(stored)
    if tier not in TIERS:
        raise DatasetError(f"{path}: attribute tier is {tier}; expected one of {TIERS}")
    try:
        return _schema(text(attributes["schema"])), tier
    except ValueError as error:
        raise DatasetError(f"{path}: attribute schema cannot be read: {error}") from error


@functools.lru_cache(maxsize=4)
def _schema(schema_json: str) -> Schema:
    """Parses a schema, once for all shards of a folder."""
    return Schema.from_json(schema_json)
