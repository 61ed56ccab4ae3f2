"""The vocabulary that ships with vjax: computed tables and shapes, CC0 wavetables, and LFO shapes that people drew.

`python -m vjax.vital.default_vocabulary TABLES PRESETS` makes its two files again: default_tables.npz (cycles as 16-bit
integers, and the spectra of all tables) and default_shapes.json. CREDITS.md, beside them, lists their sources.
"""

import argparse
import base64
import functools
import gzip
import importlib.resources
import json
import os
import pathlib
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from absl import logging

from vjax.io.atomic import replacing
from vjax.io.unzipped import read_unzipped
from vjax.sound.schema import CATALOG_CHOICES, WAVETABLE_CHOICES, Schema
from vjax.vital import checks
from vjax.vital.lfo_shapes import LfoShapeCatalog, standard_shapes
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.table_spectra import FRAME_POSITIONS, spectral_distance, table_spectra, with_spectra
from vjax.vital.vocabulary import Vocabulary
from vjax.vital.wavetables import FRAME, WavetableCatalog, table_json, table_key

_TABLES, _SHAPES = "default_tables.npz", "default_shapes.json"
_MOST_TABLES, _MOST_SHAPES = 100, 128


@functools.cache
def default_vocabulary() -> Vocabulary:
    """The shipped vocabulary. The first entries are those of `standard_catalog` and `standard_shapes`."""
    folder = importlib.resources.files("vjax.vital")
    with folder.joinpath(_TABLES).open("rb") as file, np.load(file) as data:
        cycles, names, authors, spectra = (data[key] for key in ("cycles", "names", "authors", "spectra"))
    tables = tuple(
        {**table_json(str(name), table / np.float32(2**15)), "author": str(author)}
        for name, author, table in zip(names, authors, cycles, strict=True)
    )
    catalog = WavetableCatalog(standard_catalog().tables + tables, spectra.astype(np.float32))
    shapes = json.loads(folder.joinpath(_SHAPES).read_text())
    return Vocabulary(catalog, LfoShapeCatalog(standard_shapes().shapes + tuple(shapes)))


def vocabulary_of(text: str | None, schema: Schema | None = None) -> Vocabulary:
    """The vocabulary that a dataset or a checkpoint stores; the shipped one if it stores none and needs none.

    Args:
      text: the stored vocabulary, or None.
      schema: of the dataset or checkpoint. Without schema and text, the shipped vocabulary is used, with a warning.

    Raises:
      ValueError: text that is not a vocabulary, or a schema that chooses from more entries than there are.
    """
    vocabulary = Vocabulary.from_json_string(text) if text else default_vocabulary()
    if schema is None:
        if not text:
            logging.warning(
                "these data have no catalog: their wavetables and LFO shapes, if they choose any, are taken from the "
                "shipped catalog and may be wrong"
            )
        return vocabulary
    for menu in schema.categorical:
        if menu.name in CATALOG_CHOICES:
            catalog = vocabulary.wavetables if menu.name in WAVETABLE_CHOICES else vocabulary.lfo_shapes
            size = len(catalog) if text else 1  # in every catalog, entry 0 is that of the init patch
            if menu.n_options > size:
                found = f"their catalog has {size}" if text else "they have no catalog"
                raise ValueError(
                    f"these data choose {menu.name} from {menu.n_options} entries, but {found}; give them the catalog "
                    "that they were made with"
                )
    return vocabulary


def read_vocabulary(path: str | os.PathLike) -> Vocabulary:
    """A vocabulary from a file of `vjax catalog build` (.json or .json.gz), each entry checked.

    Raises ValueError naming the file.
    """
    try:
        vocabulary = Vocabulary.from_json_string(read_unzipped(path).decode())
        for i, table in enumerate(vocabulary.wavetables.tables):
            checks.check_table(table, f"wavetable {i}")
        for i, shape in enumerate(vocabulary.lfo_shapes.shapes):
            checks.check_curve(shape, f"LFO shape {i}")
        return vocabulary
    except (ValueError, gzip.BadGzipFile, zlib.error, EOFError, RecursionError) as error:
        reason = str(error) if type(error) is ValueError else "it is damaged, or not JSON"
        raise ValueError(
            f"{path} is not a catalog of `vjax catalog build`: {reason}; give a file that this command wrote"
        ) from error


def write_vocabulary(path: str | os.PathLike, vocabulary: Vocabulary) -> None:
    """Writes what `read_vocabulary` reads; gzipped if the name ends in .gz. Writes all of the file or nothing."""
    path = pathlib.Path(path)
    data = vocabulary.to_json_string().encode()
    with replacing(path) as partial:
        partial.write_bytes(gzip.compress(data, mtime=0) if path.suffix == ".gz" else data)


def to_cycles(table: Mapping[str, Any], n: int = len(FRAME_POSITIONS)) -> np.ndarray:
    """[n, 2048] float64: whole cycles of a table that is one audio file cut into cycles, evenly over its frames.

    Cycles of another length are resampled as periodic signals. Raises ValueError for a table of another kind.
    """
    components = [component for group in table["groups"] for component in group["components"]]
    is_audio = len(components) == 1 and components[0]["type"] == "Audio File Source"
    if not is_audio or len(components[0]["keyframes"]) not in (1, 2):
        raise ValueError(f"{table.get('name')!r} is not one audio file with one or two keyframes")
    (source,) = components
    audio = np.frombuffer(base64.b64decode(source["audio_file"]), "<i2") / 2**15
    length = round(source["window_size"])
    first, last = (round(source["keyframes"][end]["start_position"] / length) for end in (0, -1))
    starts = length * np.rint(np.linspace(first, last, n)).astype(int)
    spectrum = np.fft.rfft(audio[starts[:, None] + np.arange(length)])
    return np.fft.irfft(spectrum, FRAME) * (FRAME / length)


def main() -> None:
    from vjax.io.find_files import PRESETS, TABLES, find_files
    from vjax.vital.collect import Limits, build_vocabulary, preset_shapes, read_all, read_table
    from vjax.vital.preset import read_preset

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=pathlib.Path, help="folder of CC0 .vitaltable files")
    parser.add_argument("presets", type=pathlib.Path, help="folder of presets whose LFO shapes may be shipped")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("vjax/vital"))
    arguments = parser.parse_args()
    originals = read_all(find_files([arguments.tables], TABLES), read_table, print)
    cycles = [to_cycles(table) for table in originals]
    scaled = [np.rint(table * (32767 / np.abs(table).max())).astype(np.int16) for table in cycles]
    tables = [
        {**table_json(original["name"], table / np.float32(2**15)), "author": original["author"]}
        for original, table in zip(originals, scaled, strict=True)
    ]
    distances = spectral_distance(table_spectra(tables, progress=True), table_spectra(originals, progress=True))
    print(
        f"cycles against files, dB over frames: median {np.median(distances):.2f}, most {distances.mean(-1).max():.2f}"
    )
    presets = read_all(find_files([arguments.presets], PRESETS), read_preset, print)
    start = Vocabulary(with_spectra(standard_catalog()), standard_shapes())
    limits = Limits(max_tables=_MOST_TABLES, max_shapes=_MOST_SHAPES, select="varied")
    made = build_vocabulary(start, tables, preset_shapes(presets), limits)
    _write(arguments.out, made, len(start.wavetables), len(start.lfo_shapes), tables, scaled)


def _write(out: pathlib.Path, made: Vocabulary, n_tables: int, n_shapes: int, tables, scaled) -> None:
    cycles = {table_key(table): array for table, array in zip(tables, scaled, strict=True)}
    chosen = made.wavetables.tables[n_tables:]
    np.savez_compressed(
        out / _TABLES,
        cycles=np.stack([cycles[table_key(table)] for table in chosen]),
        names=np.array([table["name"] for table in chosen]),
        authors=np.array([table["author"] for table in chosen]),
        spectra=made.wavetables.known_spectra().astype(np.float16),
    )
    shapes = made.lfo_shapes.shapes[n_shapes:]
    (out / _SHAPES).write_text("[\n" + ",\n".join(json.dumps(shape) for shape in shapes) + "\n]\n")
    print(f"{out}: {len(made.wavetables)} tables, {len(made.lfo_shapes)} LFO shapes")


if __name__ == "__main__":
    main()
