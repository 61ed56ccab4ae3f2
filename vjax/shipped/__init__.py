"""The model that comes with vjax: weights and a bank of sounds, as `vjax pack` writes them.

MODEL_CARD.md, beside this file, tells what it was made of and how good it is.
"""

from pathlib import Path

NAME = "shipped"
"""Stands for the shipped model wherever a checkpoint is named."""

MODEL = Path(__file__).parent / "model"


def checkpoint_folder(text: str) -> str:
    """The folder of a checkpoint as people name it: `shipped`, or a path (`./shipped` for a folder of that name)."""
    return str(MODEL) if text == NAME else text


def checkpoint_name(folder: str) -> str:
    """What people call a checkpoint's folder."""
    return NAME if Path(folder) == MODEL else folder
