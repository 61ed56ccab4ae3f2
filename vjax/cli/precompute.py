"""`vjax precompute`: fills features/* of a dataset once, before training."""

import argparse

from vjax.cli.command import at_least, command_parser, run
from vjax.io.folder_lock import locked

EPILOG = """\
mels        makes features/mel_spectrogram from audio/waveforms
modulation  copies the gzip-compressed params/modulation_t3 to the uncompressed features/modulation_t3, which training
            reads several times faster (about 0.2 MB a row). Datasets of `vjax generate` do not need it: their routes
            are stored sparse

An interrupted run continues where it stopped when it is started again; finished shards are skipped.

examples: a file of the earlier program, made ready for training
  vjax precompute modulation data/vital_200k.h5
  vjax inspect data/vital_200k.h5
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("precompute", "Fills features/* of a dataset, once, before training.", EPILOG)
    parser.add_argument("what", choices=("mels", "modulation"), help="what to fill")
    parser.add_argument("path", help="an HDF5 file, or a folder of *.h5 shards")
    parser.add_argument(
        "--batch-size", type=at_least(1), default=64, help="number of rows at a time (default %(default)s)"
    )
    arguments = parser.parse_args(argv)
    kept = "the rows that were filled are kept; the same command continues"
    return run(parser.prog, lambda: _precompute(arguments), kept)


def _precompute(arguments: argparse.Namespace) -> int:
    from vjax.data.layout import shard_paths

    shard_paths(arguments.path)  # raises the error of a missing dataset before the lock's
    with locked(arguments.path):
        filled = _fill(arguments)
    print(f"{filled} rows filled" if filled else "nothing to do: all rows are ready for training")
    return 0


def _fill(arguments: argparse.Namespace) -> int:
    """Fills what the arguments ask for. Returns the number of rows."""
    from vjax.data import precompute

    if arguments.what == "modulation":
        return precompute.precompute_modulation(arguments.path, arguments.batch_size)
    from vjax.audio.mel import MelConfig, mel_spectrogram

    config = MelConfig(**precompute.mel_settings(arguments.path))
    return precompute.precompute_mels(
        arguments.path, config, lambda audio: mel_spectrogram(audio, config), arguments.batch_size
    )
