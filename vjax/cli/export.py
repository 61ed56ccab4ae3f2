"""`vjax export`: presets for a folder of sounds, or for a dataset."""

import argparse
from pathlib import Path

from vjax.cli.command import UsageError, at_least, command_parser, run
from vjax.cli.match_flags import add_matching, read_checkpoint

EPILOG = """\
It writes what the network answers; vjax refine also tries the model's bank of sounds, and searches on from there. For
each sound X the folder --out gets X.vital, its render (X-vjax.wav), a picture of both (X-vjax.png), and a row of
index.csv: note, pitch, tuning, distance, confidence. Presets that are there already are passed over, so a stopped run
goes on. A file that cannot be used is reported, and the exit code is then 1. The network is compiled once, whatever
the number of sounds. With a single file --out may name the preset, and there is no index.csv. The rows of a dataset
are played at their own notes, and their targets are rendered beside them (row-000000-target.wav).

examples:
  vjax export --checkpoint runs/tier3 --audio sound.wav --out sound.vital
  vjax export --checkpoint runs/tier3 --audio recordings --out presets
  vjax export --checkpoint runs/tier3 --audio recordings --out presets --presets-only    # without playing them
  vjax export --checkpoint runs/tier3 --dataset runs/tier3/data --limit 20 --out presets --tensorboard tb
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("export", "Writes presets for a folder of sounds, or for a dataset.", EPILOG)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--audio", metavar="PATH", help="a sound file, or a folder searched with its subfolders")
    what.add_argument("--dataset", metavar="PATH", help="an HDF5 file, or a folder of shards")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for the presets (or X.vital for a single sound)"
    )
    add_matching(parser)
    parser.add_argument(
        "--batch-size", type=at_least(1), default=32, metavar="N", help="sounds on the device (default %(default)s)"
    )
    parser.add_argument(
        "--limit", type=at_least(0), default=0, metavar="N", help="only the first so many sounds; 0 takes all"
    )
    parser.add_argument("--presets-only", action="store_true", help="no pitch, no tuning, no renders: presets alone")
    parser.add_argument("--overwrite", action="store_true", help="also make again what is there")
    parser.add_argument("--tensorboard", metavar="DIR", help="also log sounds and pictures there")
    parser.add_argument(
        "--workers", type=at_least(0), default=0, metavar="N", help="processes that render; 0 takes every core"
    )
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _export(arguments))


def _export(arguments: argparse.Namespace) -> int:
    from vjax.inference.export_many import ExportConfig, export_many
    from vjax.inference.match import MatchConfig

    if arguments.dataset and arguments.note is not None:
        raise UsageError("--note is for sound files; the rows of a --dataset are played at their own notes")
    if arguments.presets_only and arguments.tensorboard:
        raise UsageError("--presets-only renders nothing that --tensorboard could log; leave one of them out")
    predictor = read_checkpoint(arguments, arguments.batch_size)
    config = ExportConfig(
        match=MatchConfig(arguments.note, not arguments.no_tune),
        limit=arguments.limit,
        presets_only=arguments.presets_only,
        overwrite=arguments.overwrite,
        tensorboard=arguments.tensorboard or "",
        workers=arguments.workers or None,
    )
    report = export_many(predictor, Path(arguments.out), config, audio=arguments.audio, dataset=arguments.dataset)
    failed = len(report.failures)
    print(f"{arguments.out}: presets written: {report.written}, were there: {report.there}, failed: {failed}")
    if report.median_mss_db is not None:
        print(f"  median MSS {report.median_mss_db:.2f} dB")
    if report.silent:
        print(f"  without a distance, because silent: {report.silent}")
    return 1 if report.failures else 0
