"""`vjax bank`: gives a checkpoint a bank of many generated sounds."""

import argparse

from vjax.cli.command import UsageError, command_parser, run
from vjax.io.atomic import write_file
from vjax.io.folder_lock import locked
from vjax.shipped import checkpoint_folder

DESCRIPTION = """\
Gives a checkpoint a bank: the sounds of a dataset, which `vjax match` searches for neighbours. The bank takes about 70
bytes a sound, because it stores how to draw a preset again instead of the preset. So the dataset must be made by
`vjax generate` with --config.generation.sampling.variants=8, or another number above 1.
"""
EPILOG = """\
examples:
  vjax generate --config configs/shipped.py --config.generation.sampling.variants=8 --presets PRESETS --out DATASET
  vjax bank DATASET --presets PRESETS --checkpoint model --overwrite    # the run's own bank is smaller
  vjax match sound.wav --checkpoint model
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("bank", DESCRIPTION, EPILOG)
    parser.add_argument("dataset", help="folder of shards")
    parser.add_argument(
        "--checkpoint",
        required=True,
        metavar="DIR",
        type=checkpoint_folder,
        help="a training run, or a packed checkpoint",
    )
    parser.add_argument("--presets", metavar="DIR", help="the folder of .vital files that `vjax generate` mixed in")
    parser.add_argument(
        "--credit",
        default="",
        metavar="TEXT",
        help="credit to the authors of these presets; it is written into presets made from the bank",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace the bank of the checkpoint, if it has one")
    arguments = parser.parse_args(argv)
    kept = f"the bank of {arguments.checkpoint} is as before; start the same command again"
    return run(parser.prog, lambda: _bank(arguments), kept)


def _bank(arguments: argparse.Namespace) -> int:
    from vjax.candidates.seeded_bank import write_seeded_bank
    from vjax.inference.predict import Predictor
    from vjax.training.packing import BANK, CREDIT, bank_folder

    folder = bank_folder(arguments.checkpoint)
    with locked(folder.parent if folder.name == "checkpoints" else folder):  # as `vjax train` does
        if (folder / BANK).exists() and not arguments.overwrite:
            raise UsageError(f"{folder / BANK} exists; keep it, or --overwrite it")
        vocabulary = Predictor.from_checkpoint(arguments.checkpoint).vocabulary
        sounds = write_seeded_bank(folder / BANK, arguments.dataset, arguments.presets, vocabulary)
        if arguments.credit:
            write_file(folder / CREDIT, arguments.credit + "\n")
    print(f"{folder / BANK}: {sounds} sounds, {(folder / BANK).stat().st_size / 1e6:.1f} MB")
    return 0
