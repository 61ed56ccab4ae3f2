"""Files about the course of a search: its best preset so far, in case the run is killed, and a plot of its loss."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from vjax.audio.mel_images import figure_pixels
from vjax.io.file_names import shortened
from vjax.io.json_files import write_json
from vjax.search.candidate import Candidate, Kind
from vjax.search.evolution import Progress
from vjax.vital.preset import read_preset, write_preset

TRACE_END, _PART_END = "-trace.json", ".part"


class Part(NamedTuple):
    """The best that a killed run had found for a target, and the renders that it took."""

    evals: int
    candidate: Candidate


def write_part(stem: Path, progress: Progress) -> None:
    """Saves the best preset so far of a search: X.part.vital, then X.part.json. Each is written whole or not at all."""
    if progress.better is not None:
        write_preset(_part(stem, ".vital"), progress.better)
    state = {"evals": progress.evals, "label": progress.label, "kind": progress.kind, "loss": progress.loss}
    write_json(_part(stem, ".json"), state)


def read_part(stem: Path) -> Part | None:
    """What `write_part` saved; None if there is nothing that can be read."""
    try:
        state = json.loads(_part(stem, ".json").read_text())
        preset = read_preset(_part(stem, ".vital"))
        label = state.get("label", state.get("start", "")).removesuffix(", refined") + ", refined"
        return Part(state["evals"], Candidate(label, preset, kind=Kind(state.get("kind", Kind.GIVEN))))
    except (OSError, ValueError, KeyError):
        return None


def remove_part(stem: Path) -> None:
    for end in (".vital", ".json"):
        _part(stem, end).unlink(missing_ok=True)


def trace_image(traces: Mapping[str, Sequence[tuple[int, float]]]) -> np.ndarray:
    """A plot of the best loss over the renders, one line for each search; [height, width, 3] uint8.

    A dot marks the start of the search. Only the dot is drawn if the ranking of the candidates took all renders.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7, 4), dpi=100, layout="constrained")
    axis = figure.subplots()
    for name, trace in traces.items():
        evals, losses = zip(*trace, strict=True) if trace else ((), ())
        axis.step(evals, losses, where="post", marker="o", markersize=5, markevery=[0], label=shortened(name, 40))
    axis.set(xlabel="evaluations (renders)", ylabel="best loss so far", ylim=(0, None))
    axis.grid(alpha=0.3)
    if len(traces) <= 10:
        for text in axis.legend(fontsize=8).get_texts():
            text.set_parse_math(False)
    return figure_pixels(figure)


def _part(stem: Path, end: str) -> Path:
    return stem.with_name(stem.name + _PART_END + end)
