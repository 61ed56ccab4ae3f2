"""Spectra of wavetables: the harmonics that the engine plays from them, and the distances between tables.

Two tables with different bytes may have the same sound (other phases, file format or name). One table has many sounds,
one for each frame. Tables are therefore compared by what the engine plays at nine frame positions.
"""

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np

from vjax.engine import synth
from vjax.engine.config import RenderConfig
from vjax.engine.isolate import IsolatedCallError, MachineError
from vjax.engine.pool import RenderPool
from vjax.io.progress import progress_bar
from vjax.vital.wavetables import POSITIONS, WavetableCatalog

FRAME_POSITIONS = tuple(range(0, POSITIONS + 1, 32))
"""Frame positions at which tables are compared."""

FLOOR_DB = 60.0
"""A band this far below a cycle's strongest band is inaudible beside it."""

_NOTE, _PITCH_HZ = 33, 55.0
_SECONDS, _SAMPLE_RATE = 0.2, 44100  # 11 whole periods, so that each harmonic is one bin
# Harmonics 1 to 16 alone, then third octaves up to the 128th (7 kHz), where the ear does not separate harmonics.
_EDGES = (*range(1, 18), 21, 26, 33, 41, 51, 65, 81, 102, 129)
BANDS = len(_EDGES) - 1


def cycle_spectrum(cycles: np.ndarray) -> np.ndarray:
    """The level of each band of harmonics in dB, [..., BANDS] float32, from [..., samples] at 55 Hz and 44.1 kHz.

    The sound must last a whole number of periods. Amplitudes are under a Hann window; 0 dB is a full-scale sine. Levels
    are limited to `FLOOR_DB` below the cycle's strongest band.
    """
    window = np.hanning(cycles.shape[-1])
    periods = round(_PITCH_HZ * cycles.shape[-1] / _SAMPLE_RATE)
    spectrum = np.fft.rfft(cycles * (2 * window / window.sum()))
    power = np.abs(spectrum[..., periods * np.arange(1, _EDGES[-1])]) ** 2
    bands = np.add.reduceat(power, np.array(_EDGES[:-1]) - 1, axis=-1)
    level_db = 10 * np.log10(np.maximum(bands, 1e-12))
    return np.maximum(level_db, level_db.max(-1, keepdims=True) - FLOOR_DB).astype(np.float32)


def table_spectra(
    tables: Sequence[Mapping[str, Any]], positions: Sequence[Sequence[float]] | None = None, progress: bool = False
) -> np.ndarray:
    """[n, positions, BANDS] float32: the bands of each table in dB as the engine plays it, rendered on all cores.

    Args:
      positions: frame positions for each table, the same number for all; by default FRAME_POSITIONS.

    Raises ValueError naming a table that the engine cannot play.
    """
    measured = spectra_or_errors(tables, positions, progress)
    for table, found in zip(tables, measured, strict=True):
        if isinstance(found, str):
            raise ValueError(f"wavetable {table.get('name', '')!r}: {found}")
    return np.stack(measured)


def spectra_or_errors(
    tables: Sequence[Mapping[str, Any]], positions: Sequence[Sequence[float]] | None = None, progress: bool = False
) -> list[np.ndarray | str]:
    """As `table_spectra`: the bands of each table, [positions, BANDS], or the reason why the engine cannot play it."""
    positions = positions or [FRAME_POSITIONS] * len(tables)
    with RenderPool(RenderConfig()) as pool:
        futures = [
            pool.isolated(synth.render_cycles, table, tuple(frames), _NOTE, _SECONDS, timeout_s=60)
            for table, frames in zip(tables, positions, strict=True)
        ]
        bar = progress_bar(futures, desc="rendering tables", unit="table", disable=not progress)
        return [_spectrum_or_error(future) for future in bar]


def _spectrum_or_error(future: Future) -> np.ndarray | str:
    try:
        return cycle_spectrum(future.result())
    except MachineError:  # this is not the table's fault
        raise
    except (ValueError, IsolatedCallError) as error:
        return str(error)


@functools.lru_cache(maxsize=8)  # each preset with a table outside the catalog needs it again
def with_spectra(catalog: WavetableCatalog, progress: bool = False) -> WavetableCatalog:
    """The catalog with the spectra of its tables."""
    spectra = catalog.spectra
    if spectra is None:
        spectra = np.full((len(catalog), len(FRAME_POSITIONS), BANDS), np.nan, np.float32)
    missing = np.flatnonzero(np.isnan(spectra).any((1, 2)))
    if not missing.size:
        return catalog
    filled = spectra.copy()
    filled[missing] = table_spectra([catalog.tables[i] for i in missing], progress=progress)
    return dataclasses.replace(catalog, spectra=filled)


def spectral_distance(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Mean |difference| over the bands in dB, [..., BANDS] each, broadcast."""
    return np.abs(first - second).mean(-1)


def nearest_table(catalog: WavetableCatalog, spectrum: np.ndarray) -> tuple[int, float]:
    """(index, distance in dB) of the entry nearest over all frames to a table's [len(FRAME_POSITIONS), BANDS]."""
    distances = spectral_distance(catalog.known_spectra(), spectrum).mean(-1)
    best = int(distances.argmin())
    return best, float(distances[best])


def nearest_cycle(catalog: WavetableCatalog, spectrum: np.ndarray) -> tuple[int, int, float]:
    """(index, frame position, distance in dB) of the cycle in the whole catalog nearest to one cycle, [BANDS]."""
    distances = spectral_distance(catalog.known_spectra(), spectrum)
    table, frame = np.unravel_index(distances.argmin(), distances.shape)
    return int(table), FRAME_POSITIONS[frame], float(distances[table, frame])
