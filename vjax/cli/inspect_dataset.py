"""`vjax inspect`: prints what a dataset contains and checks every row."""

import argparse
import json
import sys

from vjax.cli.command import command_parser, run

EPILOG = """\
Reads and checks every row: continuous parameters in [0, 1], menu options that exist, finite and audible spectrograms,
routes that exist and are in range. The exit code is 1 if a row is invalid or the dataset cannot be opened, else 0.

examples:
  vjax inspect runs/demo/data
  vjax inspect runs/demo/data --json | python -m json.tool
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("inspect", "Prints what a dataset contains and checks every row.", EPILOG)
    parser.add_argument("path", help="an HDF5 file, or a folder of *.h5 shards")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _inspect(arguments))


def _inspect(arguments: argparse.Namespace) -> int:
    from vjax.data.inspection import format_report, inspect_dataset
    from vjax.data.layout import DatasetError

    try:
        report = inspect_dataset(arguments.path, progress=sys.stderr.isatty())
    except DatasetError as error:
        if arguments.json:
            print(json.dumps({"path": arguments.path, "valid": False, "error": str(error)}))
        raise
    print(json.dumps(report) if arguments.json else format_report(report))
    return 0 if report["valid"] else 1
