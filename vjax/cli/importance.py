"""`vjax importance`: measures how audible each continuous parameter is, and stores the result as loss weights."""

import argparse

from vjax.cli.command import at_least, command_parser, run
from vjax.cli.old_names import add_old_name
from vjax.io.folder_lock import locked

DESCRIPTION = """\
Measures how audible each continuous parameter is, and stores the result in the dataset as loss weights. It changes each
parameter a little in a few presets of the dataset; the change of the log-mel spectrogram is the weight (mean 1).
Training on the dataset then uses the weights. --remove removes them.
"""
EPILOG = """\
examples:
  vjax importance DATASET
  vjax importance DATASET --limit 32 --per-knob 8
  vjax importance DATASET --remove
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("importance", DESCRIPTION, EPILOG)
    parser.add_argument("dataset", help="HDF5 file or folder of shards")
    parser.add_argument(
        "--limit",
        type=at_least(1),
        default=24,
        metavar="N",
        help="at most N presets, in which parameters are changed (default %(default)s)",
    )
    add_old_name(parser, "--presets", "--limit", type=at_least(1))
    parser.add_argument(
        "--per-knob",
        type=at_least(1),
        default=4,
        metavar="N",
        help="N presets for each parameter (default %(default)s)",
    )
    parser.add_argument(
        "--delta", type=float, default=0.1, help="size of the change, in parts of the range (default %(default)s)"
    )
    parser.add_argument("--workers", type=at_least(0), default=0, help="number of render processes (0 = all cores)")
    parser.add_argument("--remove", action="store_true", help="remove stored weights instead")
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _importance(arguments))


def _importance(arguments: argparse.Namespace) -> int:
    from vjax.data.layout import shard_paths

    shard_paths(arguments.dataset)  # raises the error of a missing dataset before the lock's
    with locked(arguments.dataset):
        return _measure(arguments)


def _measure(arguments: argparse.Namespace) -> int:
    import numpy as np

    from vjax.data.importance import measure_importance
    from vjax.data.reader import Reader, sample_parameters
    from vjax.data.store import open_dataset, remove_importance, write_importance
    from vjax.engine.config import RenderConfig
    from vjax.vital.default_vocabulary import vocabulary_of

    if arguments.remove:
        remove_importance(arguments.dataset)
        return 0
    info = open_dataset(arguments.dataset)
    reader = Reader(info)
    _, rows = np.unique(reader.preset_hashes(), return_index=True)
    samples = [reader[row] for row in rows[: arguments.limit]]
    weights = measure_importance(
        [(sample_parameters(sample, info.schema), int(sample.midi_note)) for sample in samples],
        info.schema,
        vocabulary_of(info.catalog_json, info.schema),
        RenderConfig(**info.render) if info.render else RenderConfig(),
        info.mel_config,
        per_knob=arguments.per_knob,
        delta_norm=arguments.delta,
        workers=arguments.workers or None,
    )
    write_importance(arguments.dataset, weights)
    order = np.argsort(-weights)
    print("most audible:", ", ".join(f"{info.schema.continuous[i].name} {weights[i]:.2f}" for i in order[:12]))
    print(f"stored in {arguments.dataset}: {len(weights)} weights, {np.mean(weights <= 0.1):.0%} at the smallest, 0.1")
    return 0
