"""Collects wavetables and LFO shapes from users' files into a vocabulary, each sound once."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.io.file_names import stem_text
from vjax.io.find_files import PRESETS, TABLES, find_files
from vjax.vital import checks, table_spectra
from vjax.vital.lfo_shapes import LfoShapeCatalog, shape_key
from vjax.vital.preset import Preset, read_preset
from vjax.vital.preset_json import MAX_BYTES
from vjax.vital.vocabulary import Vocabulary, audible_lfos, audible_oscillators
from vjax.vital.wavetables import WavetableCatalog, table_key, unique_name

DEFAULT_NAMES = frozenset({"", "Init", "Triangle", "Linear"})
"""Vital's default names. They do not describe the sound."""


def read_table(path: str | os.PathLike) -> dict[str, Any]:
    """Reads a `.vitaltable` file. The file's name replaces a name in `DEFAULT_NAMES`.

    Raises ValueError naming the file.
    """
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path}: {path.stat().st_size} bytes; expected a wavetable of at most {MAX_BYTES} bytes")
    try:
        table = json.loads(path.read_bytes())
        checks.check_json(table, "wavetable")
        checks.check_table(table)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path}: not a Vital wavetable ({error})") from error
    return _named(table, stem_text(path))


def read_all(paths: Iterable[Path], read: Callable[[Path], Any], warn: Callable[[str], None]) -> list[Any]:
    """The result of `read` for each file. Files that it rejects are reported through `warn` and left out."""
    items = []
    for path in paths:
        try:
            items.append(read(path))
        except (ValueError, OSError) as error:
            warn(f"left out: {error}")
    return items


def preset_tables(presets: Iterable[Preset]) -> list[dict[str, Any]]:
    """The wavetables of oscillators that are on, in order; the preset's name replaces names in `DEFAULT_NAMES`."""
    return [_named(one.wavetables[i], f"{one.name} {i + 1}") for one in presets for i in audible_oscillators(one)]


def preset_shapes(presets: Iterable[Preset]) -> list[dict[str, Any]]:
    """The shapes of LFOs that drive a route, in order; the preset's name replaces names in `DEFAULT_NAMES`."""
    return [_named(one.lfo_shapes[i], f"{one.name} LFO {i + 1}") for one in presets for i in audible_lfos(one)]


def _named(part: Mapping[str, Any], instead: str) -> dict[str, Any]:
    """A table or shape with its own name, or with `instead` if its name is in `DEFAULT_NAMES`."""
    name = str(part.get("name", ""))
    return {**part, "name": instead if name in DEFAULT_NAMES else name}


def commonest_first(items: Sequence[Mapping[str, Any]], key: Callable[[Mapping[str, Any]], str]) -> list[Any]:
    """Each distinct item once, the most frequent first; ties in the given order."""
    counts: dict[str, int] = {}
    first: dict[str, Mapping[str, Any]] = {}
    for item in items:
        identity = key(item)
        counts[identity] = counts.get(identity, 0) + 1
        first.setdefault(identity, item)
    return [first[identity] for identity in sorted(counts, key=lambda k: -counts[k])]


def without_alike(catalog: WavetableCatalog, threshold_db: float, keep: int = 1) -> WavetableCatalog:
    """The catalog without tables that sound like an earlier one: nearer than `threshold_db` over all frames.

    The first `keep` entries always stay.
    """
    catalog = table_spectra.with_spectra(catalog)
    spectra = catalog.known_spectra()
    chosen: list[int] = []
    for i, spectrum in enumerate(spectra):
        distances = table_spectra.spectral_distance(spectra[chosen], spectrum).mean(-1)
        if i < keep or not (distances < threshold_db).any():
            chosen.append(i)
    return catalog.chosen(chosen)


def most_varied(catalog: WavetableCatalog, n: int, keep: int = 1) -> WavetableCatalog:
    """Chooses `n` entries: the first `keep`, then one by one the entry farthest in sound from all chosen ones.

    Farthest-point traversal (Gonzalez 1985, "Clustering to minimize the maximum intercluster distance").
    """
    catalog = table_spectra.with_spectra(catalog)
    spectra = catalog.known_spectra()
    chosen = list(range(min(keep, n, len(catalog))))
    while len(chosen) < min(n, len(catalog)):
        to_chosen = table_spectra.spectral_distance(spectra[:, None], spectra[None, chosen]).mean(-1).min(1)
        chosen.append(int(to_chosen.argmax()))
    return catalog.chosen(chosen)


def best_cover(catalog: WavetableCatalog, n: int, keep: int = 1) -> WavetableCatalog:
    """Chooses `n` entries: the first `keep`, then one by one the entry that brings all tables nearest to a chosen one.

    Greedy facility location (Nemhauser, Wolsey and Fisher 1978): each choice lowers the mean distance from a table to
    its nearest chosen one the most.
    """
    catalog = table_spectra.with_spectra(catalog)
    spectra = catalog.known_spectra()
    # One table at a time: all pairs at once would take 2 GB for 1,000 tables.
    distances = np.stack([table_spectra.spectral_distance(spectra, one).mean(-1) for one in spectra])
    chosen = list(range(min(keep, n, len(catalog))))
    while len(chosen) < min(n, len(catalog)):
        left = np.minimum(distances[:, chosen].min(1)[:, None], distances).sum(0)
        left[chosen] = np.inf
        chosen.append(int(left.argmin()))
    return catalog.chosen(chosen)


@dataclasses.dataclass(frozen=True)
class Limits:
    """Limits on the content of a vocabulary.

    Attributes:
      table_threshold_db: a table nearer than this to an earlier entry is left out; 0 keeps all that differ.
      shape_threshold: likewise for LFO shapes, mean |difference| over a cycle.
      max_tables, max_shapes: entries in all; 0 means no limit.
      select: which tables stay under the limit: "varied" (`most_varied`) or "cover" (`best_cover`).
    """

    table_threshold_db: float = 1.0
    shape_threshold: float = 0.02
    max_tables: int = 0
    max_shapes: int = 0
    select: str = "cover"

    def __post_init__(self):
        if self.select not in ("varied", "cover"):
            raise ValueError(f"select={self.select!r}; choose 'varied' or 'cover'")


def build_vocabulary(
    start: Vocabulary,
    tables: Sequence[Mapping[str, Any]],
    shapes: Sequence[Mapping[str, Any]],
    limits: Limits,
    progress: bool = False,
    warn: Callable[[str], None] = print,
) -> Vocabulary:
    """`start` with the tables and shapes that it lacks, the most frequent first.

    Tables that the engine rejects are reported through `warn` and left out.
    """
    catalog = _extended(start.wavetables, commonest_first(tables, table_key), progress, warn)
    catalog = without_alike(catalog, limits.table_threshold_db, keep=len(start.wavetables))
    if limits.max_tables and len(catalog) > limits.max_tables:
        select = most_varied if limits.select == "varied" else best_cover
        catalog = select(catalog, limits.max_tables, keep=len(start.wavetables))
    grown = start.lfo_shapes.extended(with_unique_names(shapes, start.lfo_shapes), limits.shape_threshold)
    if limits.max_shapes:
        grown = grown.first(limits.max_shapes)
    return Vocabulary(catalog, grown)


def _extended(
    existing: WavetableCatalog, tables: Sequence[Mapping[str, Any]], progress: bool, warn: Callable[[str], None]
) -> WavetableCatalog:
    """`existing` with the tables that the engine can play, and the spectra of all."""
    existing = table_spectra.with_spectra(existing)
    grown = existing.extended(tables)
    new = range(len(existing), len(grown))
    found = table_spectra.spectra_or_errors([grown.tables[i] for i in new], progress=progress)
    measured = dict(zip(new, found, strict=True))
    rejected = {i: one for i, one in measured.items() if isinstance(one, str)}
    for i, reason in rejected.items():
        warn(f"left out: wavetable {grown.names[i]!r}: {reason}")
    played = [i for i in new if i not in rejected]
    spectra = np.stack([*existing.known_spectra(), *(measured[i] for i in played)])
    return dataclasses.replace(grown.chosen([*range(len(existing)), *played]), spectra=spectra)


def with_unique_names(shapes: Sequence[Mapping[str, Any]], existing: LfoShapeCatalog) -> list[dict[str, Any]]:
    """The distinct shapes that `existing` lacks, the most frequent first, with unique names."""
    taken, named = set(existing.names), []
    for shape in commonest_first(shapes, shape_key):
        if existing.find(shape) is None:
            name = unique_name(str(shape.get("name", "")), shape_key(shape), taken)
            taken.add(name)
            named.append({**shape, "name": name})
    return named


def collect(
    folders: Sequence[str | os.PathLike],
    start: Vocabulary,
    limits: Limits,
    warn: Callable[[str], None] = print,
    progress: bool = False,
) -> Vocabulary:
    """A vocabulary from `.vitaltable` and `.vital` files, or folders of them. Raises ValueError if there are none."""
    tables = read_all(find_files(folders, TABLES), read_table, warn)
    presets = read_all(find_files(folders, PRESETS), read_preset, warn)
    if not (tables or presets):
        raise ValueError(f"no readable .vitaltable or .vital file in {', '.join(map(str, folders))}")
    return build_vocabulary(start, tables + preset_tables(presets), preset_shapes(presets), limits, progress, warn)
