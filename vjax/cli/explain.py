"""`vjax explain`: prints how a preset is built, step by step."""

import argparse
import sys
from pathlib import Path

from vjax.cli.command import CommandError, UsageError, command_parser, make_writable, run

FORMATS = {"text": ".txt", "markdown": ".md", "json": ".json"}

EPILOG = """\
The steps build the preset from Vital's init preset, in the names and units of Vital's panel: oscillators, filters,
envelopes, LFOs with their routes, effects, macros. They are made by rule from the preset alone. Modules that make no
difference are left out, and so are values that the init preset has too.

The preset file itself contains wavetables, LFO shapes and samples. The steps say what they are and where they belong.

json prints a list with one object for each preset. Its steps contain sentences and facts: the name of each control, the
value that Vital stores, and its text.

examples:
  vjax explain bass.vital
  vjax explain bass.vital pad.vital -o lessons.md     # the ending of the file selects Markdown
  vjax explain bass.vital --format json
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("explain", "Prints how a preset is built, step by step.", EPILOG)
    parser.add_argument("preset", nargs="+", help=".vital files")
    parser.add_argument(
        "--format",
        choices=FORMATS,
        help="of the output; by default that of the ending of --out (.md, .json), else text",
    )
    parser.add_argument("-o", "--out", metavar="FILE", help="write to this file and not to the terminal")
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _explain(arguments, parser.prog))


def _explain(arguments: argparse.Namespace, prog: str) -> int:
    from vjax.io.atomic import replacing
    from vjax.io.errors import error_text, is_expected
    from vjax.vital.preset import read_preset
    from vjax.vital.tutorial.explain import explain

    if arguments.out:
        make_writable(arguments.out)
    tutorials, failed = [], 0
    for path in map(Path, arguments.preset):
        try:
            if path.is_dir():
                raise UsageError(f"{path} is a folder; give .vital files, for example {path / '*.vital'}")
            tutorials.append(explain(read_preset(path)))
        except Exception as error:
            if not is_expected(error) or len(arguments.preset) == 1:
                raise
            print(f"{prog}: {error_text(error)}", file=sys.stderr)
            failed += 1
    if not tutorials:
        raise CommandError("no preset was explained; give .vital files")
    text = _formatted(tutorials, arguments.format or _format_of(arguments.out))
    if arguments.out:
        with replacing(arguments.out) as partial:
            partial.write_text(text, encoding="utf-8")
    else:
        sys.stdout.write(text)
    return 1 if failed else 0


def _format_of(out: str | None) -> str:
    """The format of a file's ending; text for all others."""
    ending = Path(out or "").suffix.lower()
    return next((name for name, own in FORMATS.items() if own == ending), "text")


def _formatted(tutorials: list, name: str) -> str:
    import json

    from vjax.vital.tutorial.render import json_of, markdown_of, text_of

    if name == "json":
        return json.dumps([json_of(tutorial) for tutorial in tutorials], indent=1, ensure_ascii=False) + "\n"
    return "\n".join((text_of if name == "text" else markdown_of)(tutorial) for tutorial in tutorials)
