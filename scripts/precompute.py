"""Fills features/* of a dataset once, before training: see --help."""

import argparse
import sys

EXAMPLE = """\
mels        makes features/mel_spectrogram from audio/waveforms
modulation  copies the gzip-compressed params/modulation_t3 to the uncompressed features/modulation_t3, which training
            reads several times faster (about 0.2 MB a row). Datasets of scripts/generate.py do not need it: their
            routes are stored sparse

An interrupted run continues where it stopped when it is started again; finished shards are skipped.

example: a file of the earlier program, made ready for training
  python scripts/precompute.py modulation data/vital_200k.h5
  python scripts/inspect_dataset.py data/vital_200k.h5
"""


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        description="Fills features/* of a dataset, once, before training.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("what", choices=("mels", "modulation"), help="what to fill")
    parser.add_argument("path", help="an HDF5 file, or a folder of *.h5 shards")
    parser.add_argument("--batch-size", type=int, default=64, help="rows at a time (default %(default)s)")
    arguments = parser.parse_args(argv)
    if arguments.batch_size < 1:
        parser.error(f"--batch-size {arguments.batch_size} must be at least 1")

    from vjax.data import precompute

    try:
        if arguments.what == "mels":
            from vjax.audio.mel import MelConfig, mel_spectrogram

            config = MelConfig(**precompute.mel_settings(arguments.path))
            filled = precompute.precompute_mels(
                arguments.path, config, lambda audio: mel_spectrogram(audio, config), arguments.batch_size
            )
        else:
            filled = precompute.precompute_modulation(arguments.path, arguments.batch_size)
    except ValueError as error:
        print(f"precompute.py: {error}", file=sys.stderr)
        return 1
    print(f"{filled} rows filled" if filled else "nothing to do: all rows are ready for training")
    return 0


if __name__ == "__main__":
    sys.exit(main())
