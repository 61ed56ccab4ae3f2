"""`vjax export`: writes presets from a checkpoint's predictions, for a folder of sounds or for a dataset."""

import argparse
from pathlib import Path

from vjax.cli.command import UsageError, at_least, command_parser, run
from vjax.cli.match_flags import add_matching, read_checkpoint

EPILOG = """\
Writes the presets that the network predicts, tuned to the sounds. No other candidate competes with them. To get the
nearest of many candidates, call `vjax match FOLDER -o presets`: it takes longer, and its presets are much nearer.

For each sound X, the folder --out gets X.vital, its render (X-vjax.wav), an image of both (X-vjax.png), and a row of
index.csv and index.json with note, pitch and distances. With a single file, --out may name the preset; then there is
no index. Rows of a dataset are rendered at their own notes, and their targets are written beside them
(row-000000-target.wav). --presets-only writes the presets alone; it neither tunes nor renders them.

Presets that exist are skipped, so the same command continues a run that was stopped. A file that cannot be used is
reported, and the exit code is then 1.

examples:
  vjax export --checkpoint runs/tier3 --audio sound.wav --out sound.vital
  vjax export --checkpoint runs/tier3 --audio recordings --out presets
  vjax export --checkpoint runs/tier3 --audio recordings --out presets --presets-only
  vjax export --checkpoint runs/tier3 --dataset runs/tier3/data --limit 20 --out presets --tensorboard tb
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("export", "Writes presets from a checkpoint's predictions.", EPILOG)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--audio", metavar="PATH", help="a sound file, or a folder searched with its subfolders")
    what.add_argument("--dataset", metavar="PATH", help="an HDF5 file, or a folder of shards")
    parser.add_argument(
        "--out", required=True, metavar="DIR", help="folder for the presets (or X.vital for a single sound)"
    )
    add_matching(parser)
    parser.add_argument(
        "--batch-size",
        type=at_least(1),
        default=32,
        metavar="N",
        help="sounds that the network reads at a time (default %(default)s)",
    )
    parser.add_argument(
        "--limit", type=at_least(0), default=0, metavar="N", help="at most N sounds (default 0: all of them)"
    )
    parser.add_argument(
        "--presets-only", action="store_true", help="write the presets as predicted, neither tuned nor rendered"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace presets that exist")
    parser.add_argument("--tensorboard", metavar="DIR", help="also write sounds and images to this TensorBoard folder")
    parser.add_argument(
        "--workers", type=at_least(0), default=0, metavar="N", help="number of render processes (0 = all cores)"
    )
    arguments = parser.parse_args(argv)
    folder = "" if arguments.out.endswith(".vital") else arguments.out
    return run(parser.prog, lambda: _export(arguments), folder=folder)


def _export(arguments: argparse.Namespace) -> int:
    import dataclasses

    from vjax.cli.match import print_report
    from vjax.engine.pool import RenderPool
    from vjax.inference.predict import render_config
    from vjax.matching.batch import match_many
    from vjax.matching.config import PREDICTION_ONLY
    from vjax.matching.export import export_presets
    from vjax.matching.work import dataset_work, file_work

    if arguments.dataset and arguments.note is not None:
        raise UsageError("--note is for sound files; the rows of a --dataset are played at their own notes")
    if arguments.presets_only and arguments.tensorboard:
        raise UsageError("--presets-only renders nothing that --tensorboard could log; leave one of them out")
    out = Path(arguments.out)
    if out.exists() and out.is_dir() == (out.suffix == ".vital"):
        kind = "folder" if out.is_dir() else "file"
        raise ValueError(f"--out {out} exists and is a {kind}; give another folder, or another X.vital for one sound")
    predictor = read_checkpoint(arguments, arguments.batch_size)
    limit, overwrite = arguments.limit, arguments.overwrite
    if arguments.audio:
        work = file_work(predictor, [arguments.audio], out, limit, overwrite)
    else:
        work = dataset_work(predictor, arguments.dataset, out, limit, overwrite)
    if arguments.presets_only:
        report = export_presets(work, predictor)
        failed = len(report.failures)
        print(f"{out}: presets written: {report.written}, existing: {report.existing}, failed: {failed}")
        return 1 if failed else 0
    config = dataclasses.replace(PREDICTION_ONLY, note=arguments.note, tune=not arguments.no_tune)
    with RenderPool(render_config(predictor), arguments.workers or None) as pool:
        report = match_many(work, out, predictor, pool, config, tensorboard=arguments.tensorboard or "")
    print_report(report, out)
    return 1 if report.failures else 0
