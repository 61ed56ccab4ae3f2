"""The round-trip error of presets.

Each preset is rendered in three versions: the original; read to a `Preset` and written back; and converted to
`Parameters` with a vocabulary's catalogs and back.
"""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from vjax.audio.distances import mss
from vjax.engine.config import RenderConfig
from vjax.engine.pool import Rendering, RenderJob, RenderPool
from vjax.io.file_names import stem_text
from vjax.sound.schema import Schema
from vjax.vital.preset import Preset
from vjax.vital.preset_json import playable_json, read_json
from vjax.vital.vocabulary import Vocabulary, from_parameters, to_parameters

REFERENCE_SEEDS = (1, 2, 3)
"""Seeds (positions of the engine's random generators) of the re-render reference, which is compared with seed 0."""


_CHUNK = 16  # presets in memory at a time


@dataclasses.dataclass(frozen=True)
class RoundTrip:
    """The round trip of one preset. Distances are MSS in dB to the preset's own render; None where there is none.

    Attributes:
      file: path of the preset.
      floor_db: the re-render reference: the preset itself with other random phases, mean over REFERENCE_SEEDS.
      exact_db: the preset, read to a `Preset` and written back; same seed.
      exact_bits: whether that render is the same to the last bit.
      vocabulary_db: the preset, converted to `Parameters` with a vocabulary and back; same seed.
      exact_reasons: contents of the file that were clipped, or that the engine does not play.
      reasons: contents of the preset that the vocabulary cannot represent.
      error: why there are no distances; empty if there are distances.
    """

    file: str
    floor_db: float | None = None
    exact_db: float | None = None
    exact_bits: bool | None = None
    vocabulary_db: float | None = None
    exact_reasons: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    error: str = ""


def round_trips(
    files: Sequence[Path],
    vocabulary: Vocabulary,
    render: RenderConfig,
    note: int = 48,
    workers: int | None = None,
) -> Iterator[RoundTrip]:
    """The round trip of each file, in order. A file that cannot be read or rendered gives a result with an `error`."""
    schema = vocabulary.schema()
    with RenderPool(render, workers) as pool:
        for start in range(0, len(files), _CHUNK):
            prepared = [_prepare(path, schema, vocabulary) for path in files[start : start + _CHUNK]]
            jobs = [_jobs(versions, note) for _, versions in prepared]
            renderings = pool.map(itertools.chain.from_iterable(jobs))
            for (result, _), wanted in zip(prepared, jobs, strict=True):
                played = list(itertools.islice(renderings, len(wanted)))
                yield _measured(result, played, render.sample_rate) if played else result


def _prepare(path: Path, schema: Schema, vocabulary: Vocabulary) -> tuple[RoundTrip, list[dict[str, Any]]]:
    """The result so far, and the versions to render: original, exact and vocabulary.

    There are no versions if the file cannot be read.
    """
    try:
        raw = read_json(path)
        preset = Preset.from_json(raw)
        parameters, lost = to_parameters(preset, schema, vocabulary)
        versions = [playable_json(raw), preset.to_json(), from_parameters(parameters, schema, vocabulary)]
    except (ValueError, OSError) as error:
        return RoundTrip(str(path), error=str(error)), []
    return RoundTrip(str(path), exact_reasons=preset.notes, reasons=tuple(lost)), versions


def _jobs(versions: Sequence[dict[str, Any]], note: int) -> list[RenderJob]:
    if not versions:
        return []
    return [RenderJob(version, (note,)) for version in versions] + [
        RenderJob(versions[0], (note,), seed) for seed in REFERENCE_SEEDS
    ]


def _measured(result: RoundTrip, renderings: Sequence[Rendering], sample_rate: int) -> RoundTrip:
    failed = [rendering.error for rendering in renderings if rendering.audio is None]
    if failed:
        return dataclasses.replace(result, error=failed[0])
    original, exact, converted, *again = (rendering.played[0] for rendering in renderings)
    found = np.asarray(mss(np.stack([exact, converted, *again]), np.stack([original] * (2 + len(again))), sample_rate))
    if np.isnan(found).any():
        version = "the preset" if np.isnan(found[0]) else "the preset converted to the vocabulary"
        result = dataclasses.replace(result, error=f"{version} is silent at this note, so it has no distance")
    exact_db, vocabulary_db = (None if np.isnan(value) else float(value) for value in found[:2])
    floor_db = float(np.mean(found[2:].tolist()))  # of Python's numbers, in double precision
    return dataclasses.replace(
        result,
        exact_db=exact_db,
        exact_bits=bool(np.array_equal(original, exact)),
        vocabulary_db=vocabulary_db,
        floor_db=None if np.isnan(floor_db) else floor_db,
    )


def summarise(results: Sequence[RoundTrip]) -> dict[str, Any]:
    """Statistics of the distances, over the presets that have them, and counts of presets."""
    summary: dict[str, Any] = {"presets": len(results), "failed": sum(r.exact_db is None for r in results)}
    for field in ("floor_db", "exact_db", "vocabulary_db"):
        values = [getattr(r, field) for r in results if getattr(r, field) is not None]
        if values:
            summary[field] = {"median": np.median(values), "mean": np.mean(values), "worst": np.max(values)}
            summary[field]["p95"] = np.quantile(values, 0.95)
            summary[field] = {name: round(float(value), 4) for name, value in summary[field].items()}
    summary["exact_to_the_bit"] = sum(bool(r.exact_bits) for r in results)
    return summary


def as_json(results: Sequence[RoundTrip], settings: dict[str, Any]) -> str:
    """JSON of the results by file, with the summary and the settings."""
    content = {
        "settings": settings,
        "summary": summarise(results),
        "presets": {result.file: dataclasses.asdict(result) for result in results},
    }
    return json.dumps(content, indent=1)


def table_row(result: RoundTrip, width: int = 34) -> str:
    """One line for people: the distances, then their causes."""
    name = stem_text(result.file)[:width]
    if result.exact_db is None:
        return f"{name:{width}}  {result.error}"
    shown = [
        "   silent" if value is None else f"{value:9.2f}"
        for value in (result.floor_db, result.exact_db, result.vocabulary_db)
    ]
    causes = "; ".join((*(f"exact: {reason}" for reason in result.exact_reasons), *result.reasons))
    return f"{name:{width}} {' '.join(shown)}  {causes}"


HEADER = f"{'preset':34} {'floor_db':>9} {'exact_db':>9} {'vocab_db':>9}  what the vocabulary cannot represent"
