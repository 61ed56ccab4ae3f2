"""Counts what a dataset contains, and checks it row by row."""

import collections
import json
import os
from typing import Any

import h5py
import numpy as np
from tqdm import tqdm

from vjax.data import layout
from vjax.data.layout import open_hdf5
from vjax.data.reader import Reader, Routes, Sample
from vjax.data.store import DatasetInfo, open_dataset
from vjax.sound.routes import CHANNELS
from vjax.sound.schema import LFO_SHAPE_CHOICES, WAVETABLE_CHOICES, Schema

SILENT = 1e-6
"""A log-mel spectrogram is silent if all its values are below this. White noise of -75 dBFS RMS just reaches it."""

_ROUTE_LOW = np.array([-1, 0, -10, 0], np.float32)
_ROUTE_HIGH = np.array([1, 1, 10, 1], np.float32)
_ACTIVE = 1e-6  # a route is in use if its |amount| is above this (the report, phase 3c)
_MOST_EXAMPLES = 20


def inspect_dataset(path: str | os.PathLike, progress: bool = False) -> dict[str, Any]:
    """Counts the content of a dataset and checks every row.

    Returns:
      A dict that JSON can store. `problems` counts invalid rows by kind, `examples` describes the first of them, and
      `valid` is True if there are no problems.

    Raises:
      DatasetError: the dataset cannot be opened at all.
    """
    info = open_dataset(path)
    reader = Reader(info)
    hashes = reader.preset_hashes()
    seen: set[int] = set()
    notes, route_counts, routes = collections.Counter(), collections.Counter(), collections.Counter()
    problems, examples = collections.Counter(), []
    for row in tqdm(range(info.n), desc="checking", unit="row", disable=not progress):
        sample = reader[row]
        notes[int(sample.midi_note)] += 1
        cells, values = _used_routes(sample)
        for kind, detail in _problems(sample, cells, values, info.schema):
            problems[kind] += 1
            if len(examples) < _MOST_EXAMPLES:
                examples.append(f"row {row}: {kind}: {detail}")
        if int(hashes[row]) not in seen and info.modulation != "none":
            route_counts[len(cells)] += 1
            routes.update(_route_name(cell, info.schema) for cell in cells)
        seen.add(int(hashes[row]))
    return {
        "path": str(path),
        "shards": len(info.paths),
        "rows": info.n,
        "presets": len(seen),
        "bytes": sum(os.path.getsize(shard) for shard in info.paths),
        "tier": info.tier,
        "engine": info.schema.engine,
        "continuous": len(info.schema.continuous),
        "categorical": len(info.schema.categorical),
        "sources": len(info.schema.sources),
        "destinations": len(info.schema.destinations),
        "modulation": info.modulation,
        "mel": info.mel,
        "importance_weights": info.importance is not None,
        "catalog": _describe_catalog(info),
        "datasets": _describe_datasets(info.paths),
        "notes": dict(sorted(notes.items())),
        "routes_per_preset": dict(sorted(route_counts.items())),
        "commonest_routes": routes.most_common(10),
        "problems": dict(problems),
        "examples": examples,
        "valid": not problems,
    }


def format_report(report: dict[str, Any]) -> str:
    """Formats the report of `inspect_dataset` as readable text."""
    lines = [
        f"{report['path']}: {report['rows']} rows of {report['presets']} presets in {report['shards']} file(s), "
        f"{_size(report['bytes'])}",
        f"tier {report['tier']}, {report['engine'] or 'engine unknown'}: {report['continuous']} knobs, "
        f"{report['categorical']} menus, {report['sources']} sources, {report['destinations']} destinations; "
        f"modulation {report['modulation']}",
        f"mel settings: {json.dumps(report['mel']) if report['mel'] else 'not stated'}",
        f"catalog of wavetables and LFO shapes: {report['catalog'] or 'none'}",
        f"importance weights: {'yes' if report['importance_weights'] else 'none'}",
        "",
        f"{'dataset':<26} {'shape':<24} {'type':<8} {'chunk':<20} {'filter':<6} {'size':>9}",
    ]
    for name, entry in report["datasets"].items():
        chunk = "contiguous" if entry["chunks"] is None else str(entry["chunks"])
        lines.append(
            f"{name:<26} {entry['shape']!s:<24} {entry['dtype']:<8} {chunk:<20} {entry['compression'] or '':<6} "
            f"{_size(entry['bytes']):>9}"
        )
    lines += ["", "notes: " + ", ".join(f"{note} x {count}" for note, count in report["notes"].items())]
    if report["routes_per_preset"]:
        lines.append("routes per preset:")
        most = max(report["routes_per_preset"].values())
        for n_routes, count in report["routes_per_preset"].items():
            lines.append(f"  {n_routes:>3}  {'#' * max(1, round(40 * count / most)):<40} {count}")
        lines.append("commonest routes:")
        lines += [f"  {count:>6}  {name}" for name, count in report["commonest_routes"]]
    lines.append("")
    if report["valid"]:
        lines.append("valid: every row was read and checked")
    else:
        lines += [f"INVALID: {count} x {kind}" for kind, count in report["problems"].items()]
        lines += [f"  {example}" for example in report["examples"]]
    return "\n".join(lines)


def _used_routes(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Returns the cells [k] and values [k, 4] of the routes in use. A cell is source * n_destinations + destination."""
    if isinstance(sample.modulation, Routes):
        used = sample.modulation.index != -1
        return sample.modulation.index[used], sample.modulation.value[used]
    if sample.modulation.ndim == 1:
        return np.zeros(0, np.int32), np.zeros((0, len(CHANNELS)), np.float32)
    flat = sample.modulation.reshape(len(CHANNELS), -1)
    cells = np.flatnonzero(~(np.abs(flat[0]) <= _ACTIVE))  # NaN counts as in use, so that it is reported
    return cells, flat[:, cells].T


def _problems(sample: Sample, cells: np.ndarray, values: np.ndarray, schema: Schema):
    """Yields (kind, detail) for each problem of a row; the detail describes the first case."""
    bad = np.flatnonzero(~((sample.continuous >= 0) & (sample.continuous <= 1)))
    if len(bad):
        yield "knob outside [0, 1]", f"{schema.continuous[bad[0]].name} is {sample.continuous[bad[0]]}"
    bad = np.flatnonzero((sample.categorical < 0) | (sample.categorical >= np.array(schema.option_counts)))
    if len(bad):
        menu = schema.categorical[bad[0]]
        yield "no such menu option", f"{menu.name} is {sample.categorical[bad[0]]}, of {menu.n_options} options"
    if not 0 <= sample.midi_note <= 127:
        yield "note outside 0 to 127", str(sample.midi_note)
    if not np.isfinite(sample.mel).all():
        yield "mel not finite", f"{np.count_nonzero(~np.isfinite(sample.mel))} cells"
    elif sample.mel.min() < 0:
        yield "mel below 0", f"{sample.mel.min()}, impossible for log(1 + power)"
    elif sample.mel.max() < SILENT:
        yield "silent", f"loudest mel cell {sample.mel.max():.2g}"
    n_cells = len(schema.sources) * len(schema.destinations)
    bad = np.flatnonzero((cells < 0) | (cells >= n_cells))
    if len(bad):
        yield "no such route", f"cell {cells[bad[0]]}, of {n_cells}"
    bad = np.argwhere(~((values >= _ROUTE_LOW) & (values <= _ROUTE_HIGH)))
    if len(bad):
        route, channel = bad[0].tolist()
        yield (
            "route value out of range",
            (f"{_route_name(int(cells[route]), schema)} has {CHANNELS[channel]} {values[route, channel]}"),
        )
    if len(np.unique(cells)) < len(cells):
        yield "repeated route", _route_name(collections.Counter(cells.tolist()).most_common(1)[0][0], schema)


def _route_name(cell: int, schema: Schema) -> str:
    source, destination = divmod(int(cell), max(len(schema.destinations), 1))
    if not 0 <= source < len(schema.sources):
        return f"cell {cell}"
    return f"{schema.sources[source]} -> {schema.destinations[destination]}"


def _describe_catalog(info: DatasetInfo) -> str | None:
    if info.catalog_json is None:
        return None
    counts = dict(zip(info.schema.categorical_names, info.schema.option_counts, strict=True))
    choices = "".join(
        f", {max(found)} {what}"
        for what, names in (
            ("tables for each oscillator", WAVETABLE_CHOICES),
            ("shapes for each LFO", LFO_SHAPE_CHOICES),
        )
        if (found := [counts[name] for name in names if name in counts])
    )
    return f"{_size(len(info.catalog_json.encode()))} of JSON{choices}"


def _describe_datasets(paths: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """Shape, type, chunk and filter of each dataset. Rows and bytes are summed over the shards."""
    described: dict[str, dict[str, Any]] = {}
    for path in paths:
        with open_hdf5(path) as file:

            def add(name: str, item: Any) -> None:
                if not isinstance(item, h5py.Dataset):
                    return
                size = item.id.get_storage_size()
                if name not in described:
                    described[name] = {
                        "shape": list(item.shape),
                        "dtype": str(item.dtype),
                        "chunks": None if item.chunks is None else list(item.chunks),
                        "compression": item.compression,
                        "bytes": size,
                    }
                else:
                    described[name]["bytes"] += size
                    if name != layout.IMPORTANCE:
                        described[name]["shape"][0] += item.shape[0]

            file.visititems(add)
    return described


def _size(n_bytes: int) -> str:
    size = float(n_bytes)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.3g} {unit}"
        size /= 1000
    return f"{size:.3g} GB"
