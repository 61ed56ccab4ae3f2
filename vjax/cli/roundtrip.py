"""`vjax roundtrip`: measures the round-trip error of the parameter encoding."""

import argparse
import sys
from pathlib import Path

from vjax.cli.command import at_least, command_parser, make_writable, run
from vjax.cli.match_flags import midi_note

EPILOG = """\
Renders each preset three times and prints distances (MSS in dB) to the preset's own render:

  exact        as vjax reads it and writes it back, with wavetables and LFO shapes by value
  vocabulary   as a model can predict it: wavetables and LFO shapes of the catalog, and plain routes
  floor        the preset itself with other random phases (the re-render reference)

The end of a line names what the vocabulary lacks. No model with this vocabulary can be better than that.

examples:
  vjax roundtrip ~/Documents/Vital
  vjax roundtrip presets --json out.json --catalog my-catalog.json.gz --note 60
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("roundtrip", "Measures the round-trip error of the parameter encoding.", EPILOG)
    parser.add_argument("path", nargs="+", help=".vital files, or folders searched with their subfolders")
    parser.add_argument("--json", metavar="FILE", help="also write all numbers and reasons to this file")
    parser.add_argument("--catalog", metavar="FILE", help="a file of `vjax catalog build` (default: the default one)")
    parser.add_argument(
        "--note",
        type=midi_note,
        default=48,
        metavar="NOTE",
        help="note to render, by name or number: C3, 48 (default %(default)s)",
    )
    parser.add_argument(
        "--limit", type=at_least(0), default=0, metavar="N", help="at most N presets (default 0: all of them)"
    )
    parser.add_argument(
        "--workers", type=at_least(0), default=0, metavar="N", help="number of render processes (0 = all cores)"
    )
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _roundtrip(arguments))


def _roundtrip(arguments: argparse.Namespace) -> int:
    from tqdm import tqdm

    from vjax.engine.config import RenderConfig
    from vjax.evaluation.roundtrip import HEADER, as_json, round_trips, summarise, table_row
    from vjax.io.progress import progress_bar
    from vjax.vital.default_vocabulary import default_vocabulary, read_vocabulary
    from vjax.vital.find_files import find_files

    files = find_files(arguments.path, ".vital")[: arguments.limit or None]
    if not files:
        raise ValueError(f"no .vital file in {', '.join(arguments.path)}")
    vocabulary = read_vocabulary(arguments.catalog) if arguments.catalog else default_vocabulary()
    if arguments.json:
        make_writable(arguments.json)
    found = round_trips(files, vocabulary, RenderConfig(), arguments.note, arguments.workers or None)
    results = []
    print(HEADER, flush=True)
    in_terminal = sys.stderr.isatty()  # elsewhere the printed lines show the progress
    for result in progress_bar(found, total=len(files), desc="round trips", unit="preset", disable=not in_terminal):
        results.append(result)
        tqdm.write(table_row(result))
        sys.stdout.flush()
    summary = summarise(results)
    exact, failed = summary["exact_to_the_bit"], summary["failed"]
    print(f"\npresets: {len(files)}, exact to the bit: {exact}, without a distance: {failed}")
    for field in ("floor_db", "exact_db", "vocabulary_db"):
        if field in summary:
            print(f"  {field:14}", ", ".join(f"{name} {value:.2f}" for name, value in summary[field].items()))
    if arguments.json:
        settings = {"note": arguments.note, "tables": len(vocabulary.wavetables), "shapes": len(vocabulary.lfo_shapes)}
        Path(arguments.json).write_text(as_json(results, settings) + "\n")
        print(f"  written to     {arguments.json}")
    return 1 if failed == len(files) else 0
