"""`vjax catalog`: builds and shows catalogs of wavetables and LFO shapes."""

import argparse
import json
from pathlib import Path

from vjax.cli.command import UsageError, at_least, command_parser, make_writable, run
from vjax.cli.old_names import add_old_name
from vjax.shipped import checkpoint_folder

EPILOG = """\
A catalog lists the wavetables and LFO shapes from which a model chooses. It contains each sound once: tables with the
same content count as one, and so do tables that sound alike (nearer than --threshold-db over nine frames). `vjax
generate --presets` extends the default catalog by itself. Build a catalog to measure it (`vjax roundtrip --catalog`) or
to look at it.

examples:
  vjax catalog show                                             # the default catalog, from which generation begins
  vjax catalog show shipped                                     # what the model that comes with vjax chooses from
  vjax catalog build ~/Documents/Vital --out mine.json.gz       # what your presets and tables contain
  vjax catalog show mine.json.gz --image mine.png
more: vjax catalog build --help, vjax catalog show --help
"""

_BUILD_EPILOG = """\
examples:
  vjax catalog build ~/Documents/Vital --out mine.json.gz       # the default catalog, and what your files add to it
  vjax catalog build presets tables --start init --max-tables 100 --out hundred.json.gz
  vjax catalog build presets --threshold-db 3 --shape-threshold 0.1 --out coarse.json.gz    # fewer that are alike
"""

_SHOW_EPILOG = """\
examples:
  vjax catalog show                                             # the default catalog, from which generation begins
  vjax catalog show shipped                                     # what the model that comes with vjax chooses from
  vjax catalog show runs/tier3 --image choices.png              # what a model chooses from
  vjax catalog show runs/tier3/data --json
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("catalog", "Builds and shows catalogs of wavetables and LFO shapes.", EPILOG)
    actions = parser.add_subparsers(dest="action", required=True, metavar="build|show")
    settings = {"formatter_class": parser.formatter_class, "allow_abbrev": False}
    build = actions.add_parser(
        "build", help="collect a catalog from .vital and .vitaltable files", epilog=_BUILD_EPILOG, **settings
    )
    build.add_argument(
        "path", nargs="+", help=".vital and .vitaltable files, or folders searched with their subfolders"
    )
    build.add_argument("--out", required=True, metavar="FILE", help="file to write, .json or .json.gz")
    build.add_argument(
        "--start",
        choices=("shipped", "standard", "init"),
        default="shipped",
        help="what to begin with: the default catalog, which is shipped with vjax, its computed entries, or the init "
        "patch (default %(default)s)",
    )
    build.add_argument(
        "--threshold-db", type=float, default=1.0, metavar="DB", help="tables nearer than this count as one (default 1)"
    )
    build.add_argument(
        "--shape-threshold",
        type=float,
        default=0.02,
        metavar="X",
        help="LFO shapes nearer than this, on a scale of 0 to 1, count as one (default 0.02)",
    )
    build.add_argument(
        "--max-tables", type=at_least(0), default=0, metavar="N", help="at most N wavetables (default 0: all of them)"
    )
    build.add_argument(
        "--max-shapes", type=at_least(0), default=0, metavar="N", help="at most N LFO shapes (default 0: all of them)"
    )
    build.add_argument(
        "--select",
        choices=("cover", "varied"),
        default="cover",
        help="which ones --max-tables keeps: those that represent all best (default), or the most different ones",
    )
    show = actions.add_parser("show", help="list a catalog's entries", epilog=_SHOW_EPILOG, **settings)
    show.add_argument(
        "path",
        nargs="?",
        type=checkpoint_folder,
        metavar="PATH",
        help="a file of `vjax catalog build`, a dataset, a training run's folder, or 'shipped': vjax's own model "
        "(default: the default catalog)",
    )
    show.add_argument("--json", action="store_true", help="print one JSON object instead")
    show.add_argument("--image", metavar="PNG", help="draw the spectra and the LFO shapes")
    add_old_name(show, "--picture", "--image")
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _build(arguments) if arguments.action == "build" else _show(arguments))


def _build(arguments: argparse.Namespace) -> int:
    from vjax.vital.collect import Limits, collect
    from vjax.vital.default_vocabulary import default_vocabulary, write_vocabulary
    from vjax.vital.lfo_shapes import standard_shapes
    from vjax.vital.standard_tables import standard_catalog
    from vjax.vital.vocabulary import Vocabulary

    if not arguments.out.endswith((".json", ".json.gz")):
        raise UsageError(f"--out {arguments.out} must end in .json or .json.gz")
    make_writable(arguments.out)
    initial = default_vocabulary()
    if arguments.start == "init":
        initial = Vocabulary(initial.wavetables.chosen([0]), initial.lfo_shapes.first(1))
    elif arguments.start == "standard":
        initial = Vocabulary(initial.wavetables.chosen(range(len(standard_catalog()))), standard_shapes())
    limits = Limits(
        arguments.threshold_db,
        arguments.shape_threshold,
        arguments.max_tables,
        arguments.max_shapes,
        arguments.select,
    )
    made = collect(arguments.path, initial, limits, progress=True)
    write_vocabulary(arguments.out, made)
    size_kb = Path(arguments.out).stat().st_size / 1000
    print(f"{arguments.out}: {len(made.wavetables)} wavetables, {len(made.lfo_shapes)} LFO shapes, {size_kb:.0f} kB")
    return 0


def _show(arguments: argparse.Namespace) -> int:
    from vjax.vital.wavetables import n_keyframes, table_key

    if arguments.image and not arguments.image.endswith(".png"):
        raise UsageError(f"--image {arguments.image} must end in .png")
    vocabulary = _find(arguments.path)
    tables, shapes = vocabulary.wavetables, vocabulary.lfo_shapes
    table_rows = [
        {"name": name, "author": table.get("author", ""), "keyframes": n_keyframes(table), "key": table_key(table)}
        for name, table in zip(tables.names, tables.tables, strict=True)
    ]
    shape_rows = [
        {"name": name, "points": shape["num_points"], "smooth": bool(shape["smooth"])}
        for name, shape in zip(shapes.names, shapes.shapes, strict=True)
    ]
    if arguments.image:
        from vjax.audio.mel_images import save_image
        from vjax.report.catalog_images import catalog_image

        make_writable(arguments.image)
        save_image(arguments.image, catalog_image(vocabulary))
    if arguments.json:
        print(json.dumps({"wavetables": table_rows, "lfo_shapes": shape_rows}))
        return 0
    print(f"{len(table_rows)} wavetables")
    for i, row in enumerate(table_rows):
        print(f"  {i:4}  {row['name']:32.32}  {row['keyframes']:3} keyframes  {row['key'][:8]}  {row['author']}")
    print(f"{len(shape_rows)} LFO shapes")
    for i, row in enumerate(shape_rows):
        print(f"  {i:4}  {row['name']:32.32}  {row['points']:3} points{', smooth' if row['smooth'] else ''}")
    if arguments.image:
        print(f"image: {arguments.image}")
    return 0


def _find(path: str | None):
    """The vocabulary of a catalog file, a dataset or a checkpoint; the default one without a path."""
    from vjax.vital.default_vocabulary import default_vocabulary, read_vocabulary, vocabulary_of

    if path is None:
        return default_vocabulary()
    if not Path(path).exists():
        raise ValueError(
            f"there is nothing at {path}; give a file of `vjax catalog build`, a dataset, a checkpoint or 'shipped'"
        )
    if path.endswith(".h5") or any(Path(path).glob("*.h5")):
        from vjax.data.store import open_dataset

        return vocabulary_of(open_dataset(path).catalog_json)
    if Path(path).is_file():
        return read_vocabulary(path)
    from vjax.training.checkpoint import load_checkpoint

    return vocabulary_of(load_checkpoint(path).meta["wavetable_catalog_json"])
