"""The flags that name a model and how sounds are heard: of `match`, `export`, `refine` and `evaluate`."""

import argparse

CHECKPOINT = "runs/demo"
"""Where `make demo` leaves its model."""


def add_matching(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `match` and `export` share."""
    parser.add_argument(
        "--checkpoint", default=CHECKPOINT, metavar="DIR", help="a training run's folder (default %(default)s)"
    )
    parser.add_argument("--which", choices=("best", "latest"), default="best", help="which checkpoint (default best)")
    parser.add_argument(
        "--note",
        type=midi_note,
        help="MIDI note of the sound, 0 to 127; by default the one that is heard",
    )
    parser.add_argument("--no-tune", action="store_true", help="leave the preset's pitch as the model heard it")


def midi_note(text: str) -> int:
    """An argparse `type`: a MIDI note number."""
    if not (text.isdecimal() and int(text) <= 127):
        raise argparse.ArgumentTypeError(f"{text!r} is no MIDI note; give a number from 0 to 127, C4 is 60")
    return int(text)


def read_checkpoint(arguments: argparse.Namespace, batch_size: int):
    """The predictor that `add_matching`'s flags name. Raises CheckpointError, naming the flag."""
    from vjax.inference.predict import Predictor
    from vjax.training.checkpoint import CheckpointError

    try:
        return Predictor.from_checkpoint(arguments.checkpoint, arguments.which, batch_size)
    except CheckpointError as error:
        raise CheckpointError(f"--checkpoint {arguments.checkpoint}: {error}") from error
