"""Prints what a dataset holds and checks every row: see --help."""

import argparse
import json
import sys

EXAMPLE = """\
Every row is read and checked: knobs in [0, 1], menu options that exist, finite and audible mel pictures, routes that
exist and are in range. The exit code is 1 if anything is invalid or the dataset cannot be opened, else 0.

example: how many presets, and what is routed to what?
  python scripts/inspect_dataset.py runs/demo/data
  python scripts/inspect_dataset.py runs/demo/data --json | python -m json.tool
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Prints what a dataset holds and checks every row.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("path", help="an HDF5 file, or a folder of *.h5 shards")
    parser.add_argument("--json", action="store_true", help="print one JSON object instead")
    arguments = parser.parse_args(argv)

    from vjax.data.inspection import format_report, inspect_dataset
    from vjax.data.layout import DatasetError

    try:
        report = inspect_dataset(arguments.path, progress=sys.stderr.isatty())
    except DatasetError as error:
        if arguments.json:
            print(json.dumps({"path": arguments.path, "valid": False, "error": str(error)}))
        print(f"inspect_dataset.py: {error}", file=sys.stderr)
        return 1
    print(json.dumps(report) if arguments.json else format_report(report))
    return 0 if report["valid"] else 1


if __name__ == "__main__":
    sys.exit(main())
