"""`vjax COMMAND`: finds the command and passes it the rest of the command line.

This module imports only the standard library, two light parts of vjax, and the module of the chosen command.
"""

import argparse
import difflib
import importlib
import sys
from typing import NamedTuple

from vjax import __version__
from vjax.io.output import protect_output


class Command(NamedTuple):
    """A subcommand; `module` contains a function `main(argv)` that returns the exit code."""

    name: str
    module: str
    help: str


COMMANDS = (
    Command("match", "vjax.cli.match", "write the Vital preset of a sound, or of each of many"),
    Command("refine", "vjax.cli.refine", "match many sounds, then search for nearer presets"),
    Command("export", "vjax.cli.export", "write presets from a checkpoint's predictions"),
    Command("explain", "vjax.cli.explain", "print how a preset is built in Vital, step by step"),
    Command("catalog", "vjax.cli.catalog", "build and show catalogs of wavetables and LFO shapes"),
    Command("evaluate", "vjax.cli.evaluate", "measure the distances of presets and baselines to sounds"),
    Command("browse", "vjax.cli.browse", "show a checkpoint's predictions on a dataset in the terminal"),
    Command("web", "vjax.cli.web", "open a page: drop a sound, hear candidates, take a preset"),
    Command("roundtrip", "vjax.cli.roundtrip", "measure the round-trip error of the parameter encoding"),
    Command("generate", "vjax.cli.generate", "render a dataset with the real Vital engine"),
    Command("inspect", "vjax.cli.inspect_dataset", "print what a dataset contains and check every row"),
    Command("importance", "vjax.cli.importance", "weight the parameters of a dataset by how audible they are"),
    Command("precompute", "vjax.cli.precompute", "fill features/* of a dataset of another program"),
    Command("config", "vjax.cli.config", "print every setting of a recipe with its meaning"),
    Command("train", "vjax.cli.train", "train the network that predicts presets from sounds"),
    Command("diagnose", "vjax.cli.diagnose", "report what each head of a checkpoint has learnt"),
    Command("bank", "vjax.cli.bank", "give a checkpoint a bank of many generated sounds"),
    Command("pack", "vjax.cli.pack", "make a small copy of a checkpoint to share"),
)

EXAMPLES = """\
examples:
  vjax match bass.wav --note C2                         # writes bass.vital
  vjax train --config tier3:demo --workdir runs/demo    # a small run: data, training, presets to listen to
  vjax inspect runs/demo/data
  vjax COMMAND --help                                   # the options of a command, with examples

exit codes: 0 done, 1 the work failed, 2 wrong usage, 70 internal error of vjax; stopped by a signal: 130 Ctrl-C,
143 SIGTERM, 129 the terminal was closed
"""


def main(argv: list[str] | None = None) -> int:
    """Runs `vjax` with the arguments `argv`, by default the process's own. Returns the exit code."""
    argv = sys.argv[1:] if argv is None else argv
    protect_output()
    parser = _parser()
    name = parser.parse_args(argv[:1]).command  # the command parses the rest itself
    if name is None:
        parser.print_help(sys.stderr)
        return 2
    modules = {command.name: command.module for command in COMMANDS}
    if name not in modules:
        near = difflib.get_close_matches(name, modules)
        remedy = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(modules)}"
        print(f"vjax: there is no command {name!r}; {remedy}", file=sys.stderr)
        return 2
    try:
        return importlib.import_module(modules[name]).main(argv[1:])
    except KeyboardInterrupt:  # while the command's module is imported, or its arguments are read
        print(f"vjax {name}: stopped by Ctrl-C", file=sys.stderr)
        return 130


def _parser() -> argparse.ArgumentParser:
    width = max(len(command.name) for command in COMMANDS)
    table = "\n".join(f"  {command.name:{width}}  {command.help}" for command in COMMANDS)
    parser = argparse.ArgumentParser(
        prog="vjax",
        usage="vjax [-h] [--version] COMMAND ...",
        description="vjax estimates the Vital preset that makes a sound.",
        epilog=f"commands:\n{table}\n\n{EXAMPLES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--version", action="version", version=f"vjax {__version__}")
    parser.add_argument("command", nargs="?", metavar="COMMAND", help="one of the commands below")
    return parser
