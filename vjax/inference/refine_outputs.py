"""What a refinement leaves on disk: preset, sound, picture and trace; and the best so far while it runs."""

import json
import math
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from vjax.audio.files import write_wav
from vjax.audio.metrics import METRICS
from vjax.file_names import as_text, shortened
from vjax.inference.compare import comparison_picture, figure_pixels, save_picture
from vjax.inference.refine import Refined
from vjax.inference.search import Progress
from vjax.inference.stream import RENDER_END
from vjax.inference.target import RefineTarget, Start
from vjax.vital.preset import read_preset, write_preset

COLUMNS = (
    "name", "preset", "note", "start", "evals", "seconds", "dimensions", "restarts", "loss_before", "loss_after",
    *(f"{metric}_{when}" for metric in METRICS for when in ("before", "after")),
    "error",
)  # fmt: skip
"""Of the table of many refinements. `before` is the first start, the network's answer; means over the judging seeds."""

_TRACE_END, _PART_END = "-trace.json", ".part"


class Part(NamedTuple):
    """What a killed run had reached for a target."""

    evals: int
    start: Start


def write_part(stem: Path, progress: Progress) -> None:
    """Keeps the best so far of a running search: X.part.vital, then X.part.json; each whole or not at all."""
    if progress.better is not None:
        write_preset(_part(stem, ".vital"), progress.better)
    state = {"evals": progress.evals, "start": progress.start, "loss": progress.loss}
    _write_text(_part(stem, ".json"), json.dumps(state))


def read_part(stem: Path) -> Part | None:
    """What `write_part` kept; None where there is nothing, or nothing that can be read."""
    try:
        state = json.loads(_part(stem, ".json").read_text())
        preset = read_preset(_part(stem, ".vital"))
        label = state["start"].removesuffix(", refined") + ", refined"
        return Part(state["evals"], Start(label, preset))
    except (OSError, ValueError, KeyError):
        return None


def remove_part(stem: Path) -> None:
    for end in (".vital", ".json"):
        _part(stem, end).unlink(missing_ok=True)


def write_refined(
    refined: Refined, target: RefineTarget, path: Path, sample_rate: int, with_target: bool
) -> list[Path]:
    """Writes `x-vjax.wav` (the refined sound), `x-vjax.png` (target, prediction and refined), `x-trace.png` and
    `x-trace.json`; with the target `x-target.wav`; the preset `x.vital` last.

    Returns:
      The files, the preset first.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = path.with_suffix("")

    def beside(end: str) -> Path:
        return stem.with_name(stem.name + end)

    before, after = refined.before, refined.after
    sounds = {"target": target.audio, "prediction": before.audio, "refined": after.audio}
    name = as_text(stem.name)
    change = f"MSS {before.distances['mss']:.1f} to {after.distances['mss']:.1f} dB"
    title = f"{shortened(name, 60)}, note {target.note}: {change}"
    write_wav(beside(RENDER_END), after.audio, sample_rate)
    save_picture(beside("-vjax.png"), comparison_picture(sounds, sample_rate, title))
    save_picture(beside("-trace.png"), trace_picture({name: refined.trace}))
    _write_text(beside(_TRACE_END), json.dumps(trace_json(refined), indent=1))
    if with_target:
        write_wav(beside("-target.wav"), target.audio, sample_rate)
    write_preset(path, refined.preset)
    files = [path, *map(beside, (RENDER_END, "-vjax.png", "-trace.png", _TRACE_END))]
    return [*files, beside("-target.wav")] if with_target else files


def trace_json(refined: Refined) -> dict[str, Any]:
    """Everything about a refinement but the sounds and the preset."""
    return {
        "name": as_text(refined.name),
        "start": refined.start,
        "starts": {label: _number(loss) for label, loss in refined.start_losses.items()},
        "evals": refined.evals,
        "seconds": round(refined.seconds, 2),
        "dimensions": refined.dimensions,
        "restarts": refined.restarts,
        "before": _judged(refined.before),
        "after": _judged(refined.after),
        "trace": [[evals, _number(loss)] for evals, loss in refined.trace],
    }


def table_row(refined: Refined, preset_path: str, note: int | str) -> dict[str, Any]:
    """The row of COLUMNS of a refinement."""
    row: dict[str, Any] = {
        "name": as_text(refined.name),
        "preset": as_text(preset_path) if not refined.error else "",
        "note": note,
        "start": refined.start,
        "evals": refined.evals,
        "seconds": round(refined.seconds, 1),
        "dimensions": refined.dimensions,
        "restarts": refined.restarts,
        "error": refined.error,
    }
    for when, judged in (("before", refined.before), ("after", refined.after)):
        if judged is not None:
            numbers = {"loss": judged.loss, **judged.distances}
            row |= {f"{name}_{when}": "" if math.isnan(value) else round(value, 4) for name, value in numbers.items()}
    return row


def trace_picture(traces: Mapping[str, Sequence[tuple[int, float]]]) -> np.ndarray:
    """The best loss over the evaluations, a line for each search; [height, width, 3] uint8.

    A dot is what the search began with. It is all that there is where ranking the starts took all evaluations.
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


def _judged(judged: Any) -> dict[str, Any]:
    return {"loss": _number(judged.loss), **{name: _number(value) for name, value in judged.distances.items()}}


def _number(value: float) -> float | None:
    """JSON has no NaN."""
    return float(value) if math.isfinite(value) else None


def _part(stem: Path, end: str) -> Path:
    return stem.with_name(stem.name + _PART_END + end)


def _write_text(path: Path, text: str) -> None:
    partial = path.with_name(path.name + ".partial")
    partial.write_text(text)
    os.replace(partial, path)
