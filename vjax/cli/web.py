"""`vjax web`: opens a page that matches sounds, plays the candidates and saves presets."""

import argparse
from typing import NoReturn

from vjax.cli.command import CommandError, at_least, command_parser, run
from vjax.cli.match_flags import add_checkpoint, read_checkpoint
from vjax.cli.refine_flags import add_resynthesis, resynthesis_config
from vjax.shipped import NAME

EPILOG = """\
Serves a page on this machine, and prints its address. Drop or record a sound there, press Match, and compare the
candidates by ear. Play them on a keyboard, look inside, refine one, and download it. The page loads nothing from other
servers. Ctrl-C ends it.

By default, only this machine can open the page. With --host or --share, others can use it and the cores of this
machine; it has no password. A job keeps two cores busy; further jobs wait.

Needs the extra: pip install 'vjax[web]'.

examples:
  vjax web                          # prints the address, such as http://127.0.0.1:7860
  vjax web --open                   # opens it in the browser
  vjax web --host 0.0.0.0           # for the local network
  vjax web --bank ~/.local/share/vital --checkpoint runs/tier3
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("web", "Opens a page that matches sounds.", EPILOG)
    add_checkpoint(parser, default=NAME)
    parser.add_argument(
        "--bank", default="", metavar="DIR", help="a folder of presets; the nearest of them are candidates, too"
    )
    add_resynthesis(parser)
    parser.add_argument(
        "--host", default="127.0.0.1", metavar="ADDRESS", help="address to listen on (default: this machine alone)"
    )
    parser.add_argument(
        "--port", type=at_least(0), default=7860, metavar="N", help="port; 0 takes a free one (default %(default)s)"
    )
    parser.add_argument(
        "--share", action="store_true", help="also give the page a public address, through a server of Gradio"
    )
    parser.add_argument(
        "--vital-folder",
        default="",
        metavar="DIR",
        help="where 'Save to Vital' saves (default: Vital's folder, on a page for this machine alone)",
    )
    parser.add_argument("--open", action="store_true", help="open the page in the browser")
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: web(arguments))


def web(arguments: argparse.Namespace) -> NoReturn:
    """Serves the page with the arguments of `main`, until Ctrl-C raises KeyboardInterrupt."""
    try:
        from vjax.web.serve import serve
    except ModuleNotFoundError as error:
        raise CommandError(f"vjax web needs {error.name}; install it with: pip install 'vjax[web]'") from error
    from vjax.matching.config import MatchConfig
    from vjax.vital.user_folder import user_folder

    if arguments.vital_folder:
        user_folder(arguments.vital_folder)  # raises before the model is loaded
    config = MatchConfig(patch=not arguments.no_patch, resynthesis=resynthesis_config(arguments))
    serve(
        read_checkpoint(arguments, batch_size=1),
        arguments.checkpoint,
        config,
        arguments.bank,
        arguments.host,
        arguments.port,
        arguments.share,
        arguments.vital_folder,
        arguments.open,
    )
