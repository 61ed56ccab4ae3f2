"""Turns the knobs of an evaluation's presets, as a musician would try them: the cutoff, and each macro with a name.

A knob works if turning it changes the sound. Presets that copy a recording often have a filter that is off, or macros
without an effect. `turns.jsonl`, in the evaluation's folder, has one line for each target and method. Lines in it are
not played again.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.distances import mss
from vjax.engine.config import RenderConfig
from vjax.engine.pool import RenderJob, RenderPool, reliable
from vjax.engine.scheduler import Scheduler, open_render_pool
from vjax.evaluation.results import Target
from vjax.io.json_files import number
from vjax.io.json_lines import append_line, read_lines
from vjax.io.progress import progress_bar
from vjax.vital.editability import MACROS, named_macros
from vjax.vital.preset import Preset, read_preset
from vjax.vital.values import value_of, with_values

WORKS_DB = 1.0
"""A knob works if turning it changes the sound by at least this MSS, in dB."""

_SEMITONES = 24.0  # by how much the cutoff is turned: down, or up if there is no room
_LOWEST = 8.0  # MIDI note of the lowest cutoff
_FILTERS = ("filter_1", "filter_2", "filter_fx")
_FILE = "turns.jsonl"


def play_turns(
    folder: Path,
    targets: Sequence[Target],
    methods: Sequence[str],
    render: RenderConfig,
    workers: int | None = None,
    scheduler: Scheduler = "local",
) -> list[dict[str, Any]]:
    """Plays what the folder's `turns.jsonl` lacks, and returns all its lines for these targets.

    Args:
      folder: of the evaluation, with `sounds/ID/METHOD.vital`. Methods without a preset are left out.
      render: how presets are played.

    Returns:
      {"target", "method", "cutoff", "macros", "bytes"}: by how much MSS, in dB, the sound changes when the cutoff of a
      filter that is on is turned by two octaves (the filter with the largest change; None without a filter), and when
      each macro with a name is turned; and the size of the file.
    """
    log = folder / _FILE
    lines = read_turns(folder)
    done = {(line["target"], line["method"]) for line in lines}
    left = [
        (target, method)
        for target in targets
        for method in methods
        if (target.id, method) not in done and (folder / "sounds" / target.id / f"{method}.vital").exists()
    ]
    if left:
        with open_render_pool(render, workers, scheduler) as pool:
            for line in progress_bar(_play(folder, left, pool), total=len(left), desc="turning knobs", unit="preset"):
                lines.append(line)
                append_line(log, line)
    ids = {target.id for target in targets}
    return [line for line in lines if line["target"] in ids]


def read_turns(folder: Path) -> list[dict[str, Any]]:
    """The lines of a folder's `turns.jsonl`; none without the file."""
    return read_lines(folder / _FILE)


def summarise(lines: Iterable[Mapping[str, Any]], methods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Summarises the lines by method.

    Returns:
      `n` presets; `cutoff`: the share of these that have a filter whose cutoff works; `macros`: the share of named
      macros that work, None without any; `kilobytes`: the median size of a file.
    """
    found: dict[str, dict[str, Any]] = {}
    for method in methods:
        own = [line for line in lines if line["method"] == method]
        if not own:
            continue
        macros = [works(change) for line in own for change in line["macros"]]
        found[method] = {
            "n": len(own),
            "cutoff": float(np.mean([works(line["cutoff"]) for line in own])),
            "macros": float(np.mean(macros)) if macros else None,
            "kilobytes": float(np.median([line["bytes"] for line in own])) / 1000,
        }
    return found


def text(line: Mapping[str, Any]) -> str:
    """What a line says about its preset, for people."""
    cutoff = "no filter" if line["cutoff"] is None else f"cutoff {_effect(line['cutoff'])}"
    macros = "no named macros"
    if line["macros"]:
        macros = f"{sum(map(works, line['macros']))} of {len(line['macros'])} named macros change the sound"
    return f"turned: {cutoff}; {macros}; {line['bytes'] / 1000:.0f} kB"


def _effect(change_db: float) -> str:
    return f"changes the sound by {change_db:.1f} dB" if works(change_db) else "has no effect"


def works(change_db: float | None) -> bool:
    return change_db is not None and change_db >= WORKS_DB


def table(summary: Mapping[str, Mapping[str, Any]]) -> str:
    """The printed table: a line for each method that has presets."""
    width = max(14, *map(len, summary)) if summary else 14
    lines = [f"{'turned':{width}} {'n':>4} {'cutoff':>8} {'macros':>8} {'kB':>8}"]
    for method, found in summary.items():
        macros = "-" if found["macros"] is None else f"{found['macros']:.0%}"
        lines.append(f"{method:{width}} {found['n']:4} {found['cutoff']:>8.0%} {macros:>8} {found['kilobytes']:>8.0f}")
    lines.append(
        "shares of presets whose cutoff changes the sound, and of named macros that do; then the median file size"
    )
    return "\n".join(lines)


def _turned(preset: Preset) -> tuple[list[Preset], list[Preset]]:
    """The preset with each cutoff turned, of filters that are on, and with each named macro turned."""
    cutoffs = []
    for module in _FILTERS:
        if value_of(preset, f"{module}_on"):
            cutoff = value_of(preset, f"{module}_cutoff")
            turned = cutoff - _SEMITONES if cutoff - _SEMITONES >= _LOWEST else cutoff + _SEMITONES
            cutoffs.append(with_values(preset, {f"{module}_cutoff": turned}))
    names = [MACROS[i] for i in named_macros(preset)]
    return cutoffs, [with_values(preset, {name: float(value_of(preset, name) < 0.5)}) for name in names]


def _play(folder: Path, left: Sequence[tuple[Target, str]], pool: RenderPool) -> Iterator[dict[str, Any]]:
    """Yields the lines, in order."""
    counts: list[tuple[int, int]] = []

    def jobs() -> Iterator[RenderJob]:
        for target, method in left:
            preset = read_preset(folder / "sounds" / target.id / f"{method}.vital")
            cutoffs, macros = _turned(preset)
            counts.append((len(cutoffs), len(macros)))
            for one in (preset, *cutoffs, *macros):
                yield RenderJob(one.to_json(), (target.note,), 0)

    played = (rendering.audio for rendering in reliable(pool.map(jobs())))
    for i, (target, method) in enumerate(left):
        plain = next(played)
        n_cutoffs, n_macros = counts[i]
        changes = [_change_db(plain, next(played), pool.config.sample_rate) for _ in range(n_cutoffs + n_macros)]
        cutoffs = [change for change in changes[:n_cutoffs] if change is not None]
        yield {
            "target": target.id,
            "method": method,
            "cutoff": max(cutoffs, default=None),
            "macros": changes[n_cutoffs:],
            "bytes": (folder / "sounds" / target.id / f"{method}.vital").stat().st_size,
        }


def _change_db(plain: np.ndarray | None, turned: np.ndarray | None, sample_rate: int) -> float | None:
    """MSS between two renders; None where one of them is silent or fails."""
    if plain is None or turned is None:
        return None
    return number(float(mss(turned[0], plain[0], sample_rate)))
