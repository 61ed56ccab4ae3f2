"""The flags for the model, the note and the tuning, which `match`, `export`, `refine` and other commands share."""

import argparse
import dataclasses
from typing import Any

from vjax.shipped import NAME, checkpoint_folder, checkpoint_name

STYLE_NAMES = ("Bass", "Experiment", "Keys", "Lead", "Pad", "Percussion", "Sequence", "SFX")
"""`vjax.matching.comment.STYLES`, copied, so that --help does not import NumPy."""


def add_matching(parser: argparse.ArgumentParser, several: bool = False) -> None:
    """Adds the flags that `match`, `export` and `refine` share.

    Args:
      parser: gets the flags.
      several: whether `--note` may have several notes, one for each of several sounds.
    """
    add_checkpoint(parser, default=NAME)
    several_text = "; or one for each of several recordings of an instrument: C2,C4" if several else ""
    parser.add_argument(
        "--note",
        type=midi_notes if several else midi_note,
        metavar="NOTE",
        help="note of the sound, by name or number: C2, F#3, 36 (C4 is 60); by default the note that vjax estimates"
        + several_text,
    )
    parser.add_argument("--no-tune", action="store_true", help="leave the pitch of candidates as it is")


def add_naming(parser: argparse.ArgumentParser) -> None:
    """Adds `--name` and `--style`. `named` applies them."""
    parser.add_argument("--name", metavar="NAME", help="name that the preset has in Vital (default: that of the sound)")
    parser.add_argument(
        "--style", choices=STYLE_NAMES, help="style by which Vital's browser finds the preset (default: by its sound)"
    )


def named(result, arguments: argparse.Namespace):
    """The result of a match with the name and the style of the flags of `add_naming`."""
    given = {field: getattr(arguments, field) for field in ("name", "style") if getattr(arguments, field)}
    return dataclasses.replace(result, preset=dataclasses.replace(result.preset, **given))


def add_checkpoint(parser: argparse.ArgumentParser, default: str | None = None, **settings: Any) -> None:
    """Adds `--checkpoint` and `--which`.

    Args:
      parser: gets the flags.
      default: of `--checkpoint`; None if there is no default.
      settings: arguments of `add_argument` for `--checkpoint`.
    """
    model = {NAME: " (default: the model that comes with vjax)"}.get(default or "", f", or {NAME!r}: vjax's own model")
    settings = {"help": f"a training run's folder{model}"} | settings
    parser.add_argument("--checkpoint", default=default, type=checkpoint_folder, metavar="DIR", **settings)
    parser.add_argument("--which", choices=("best", "latest"), default="best", help="which checkpoint (default best)")


def midi_note(text: str) -> int:
    """An argparse `type`: a MIDI note by name or number, see `parse_note`."""
    from vjax.audio.pitch import parse_note  # here, so that `--help` does not load NumPy and the sound libraries

    try:
        return parse_note(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def midi_notes(text: str) -> int | tuple[int, ...]:
    """An argparse `type`: one note as in `midi_note`, or several, separated by commas."""
    notes = tuple(midi_note(part.strip()) for part in text.split(","))
    return notes[0] if len(notes) == 1 else notes


def match_config(arguments: argparse.Namespace):
    """The MatchConfig of the flags of `add_matching` and `add_refining`. Of several notes it contains the first."""
    from vjax.cli.refine_flags import refine_config, resynthesis_config
    from vjax.matching.config import PREDICTION_ONLY, MatchConfig

    refine = refine_config(arguments) if getattr(arguments, "refine", True) else None
    base = MatchConfig() if arguments.variants else PREDICTION_ONLY
    return dataclasses.replace(
        base,
        note=arguments.note[0] if isinstance(arguments.note, tuple) else arguments.note,
        tune=not arguments.no_tune,
        level=base.level or refine is not None,
        variants=arguments.variants,
        patch=bool(arguments.variants) and not arguments.no_patch,
        resynthesis=resynthesis_config(arguments) if arguments.variants else None,
        equalise=0 if arguments.keep_tables or not (arguments.variants or refine) else MatchConfig.equalise,
        prefer=arguments.prefer,
        refine=refine,
    )


def read_checkpoint(arguments: argparse.Namespace, batch_size: int):
    """The predictor of the flags of `add_checkpoint`. Raises CheckpointError, naming the flag."""
    from vjax.inference.predict import Predictor
    from vjax.training.saving import CheckpointError

    try:
        return Predictor.from_checkpoint(arguments.checkpoint, arguments.which, batch_size)
    except CheckpointError as error:
        raise CheckpointError(f"--checkpoint {checkpoint_name(arguments.checkpoint)}: {error}") from error
