"""Fills `features/*` of an existing dataset: log-mel spectrograms of its sounds, and routes in a form that reads fast.

If a run is killed, even by SIGKILL, the next run continues it. The file's structure is written and synced before the
first row, so filling changes only plain data and one counter. A kill can damage the file only while the (empty) dataset
is being added.
"""

import dataclasses
import json
import math
import os
from collections.abc import Callable
from typing import Any

import h5py
import numpy as np
from absl import logging
from tqdm import tqdm

from vjax.audio.mel_config import MelConfig
from vjax.data import layout
from vjax.data.layout import DatasetError, open_hdf5, require
from vjax.data.mel_settings import check_sample_rate, sample_rates_hz, stored_mel


def mel_settings(path: str | os.PathLike) -> dict[str, Any]:
    """Returns the mel settings that the dataset states (fields of MelConfig); empty if it states none.

    Logs a warning if it does not state the sample rate of its sounds either. Raises DatasetError for settings that vjax
    does not support.
    """
    with open_hdf5(layout.shard_paths(path)[0]) as file:
        config = stored_mel(file)
        if config is None and not sample_rates_hz(file):
            logging.warning(
                "%s: no attribute gives the sample rate of its sounds; %d Hz is assumed. If this is wrong, set the "
                "attribute sample_rate first",
                file.filename,
                MelConfig().sample_rate,
            )
        return {} if config is None else dataclasses.asdict(config)


def precompute_mels(
    path: str | os.PathLike,
    config: MelConfig,
    mel_fn: Callable[[np.ndarray], np.ndarray],
    batch_size: int = 32,
    progress: bool = True,
) -> int:
    """Fills features/mel_spectrogram [n, 1, n_mels, t] float32 from audio/waveforms, mixed down to mono.

    Args:
      path: a file or a folder of shards; finished ones are skipped.
      config: mel settings, stored in the file.
      mel_fn: maps [b, samples] float32 to [b, n_mels, t]; b is `batch_size`, or less at the end of a shard.

    Returns:
      Number of rows filled.

    Raises:
      DatasetError: no audio/waveforms, sound of another sample rate, or spectrograms made with other settings.
    """

    def fill(file: h5py.File, bar: tqdm) -> int:
        started = layout.MEL in file
        stored = stored_mel(file)
        if started and stored not in (None, config):
            raise DatasetError(
                f"{file.filename}: {layout.MEL} was made with {json.dumps(dataclasses.asdict(stored))}, not with "
                f"{json.dumps(dataclasses.asdict(config))}; use the same settings, or delete that dataset first"
            )
        if layout.finished(file, layout.MEL):
            return 0
        waveforms = require(file, layout.WAVEFORMS, "log-mel spectrograms are computed from it")
        check_sample_rate(file, config)

        def mels(start: int, stop: int) -> np.ndarray:
            audio = waveforms[start:stop].astype(np.float32)
            return np.asarray(mel_fn(audio.mean(1) if audio.ndim == 3 else audio))[:, None]

        if not started:
            shape = (len(waveforms), *mels(0, min(batch_size, len(waveforms))).shape[1:])
            with layout.growing(file, 4 * math.prod(shape)):
                file.attrs["mel"] = json.dumps(dataclasses.asdict(config), sort_keys=True)
                _allocate(file, layout.MEL, shape)
        return _fill(layout.require(file, layout.MEL), mels, batch_size, bar)

    return _each_shard(path, layout.WAVEFORMS, fill, "mels", progress)


def precompute_modulation(path: str | os.PathLike, batch_size: int = 64, progress: bool = True) -> int:
    """Copies the gzip-compressed params/modulation_t3 to features/modulation_t3, uncompressed, one chunk per row.

    Skips finished shards, and shards with sparse routes, which already read fast.

    Returns:
      Number of rows filled.

    Raises:
      DatasetError: the file contains no routes at all.
    """

    def fill(file: h5py.File, bar: tqdm) -> int:
        if layout.ROUTE_INDEX in file or layout.finished(file, layout.FAST_DENSE_ROUTES):
            return 0
        matrices = require(
            file,
            layout.DENSE_ROUTES,
            "it contains no modulation routes to copy; leave it out",
        )
        if layout.FAST_DENSE_ROUTES not in file:
            with layout.growing(file, 4 * math.prod(matrices.shape)):
                _allocate(file, layout.FAST_DENSE_ROUTES, matrices.shape)
        target = layout.require(file, layout.FAST_DENSE_ROUTES)
        return _fill(target, lambda start, stop: matrices[start:stop], batch_size, bar)

    return _each_shard(path, layout.DENSE_ROUTES, fill, "modulation", progress)


def _each_shard(
    path: str | os.PathLike, source: str, fill: Callable[[h5py.File, tqdm], int], label: str, progress: bool
) -> int:
    shards = layout.shard_paths(path)
    total = 0
    for shard in shards:
        with open_hdf5(shard) as file:
            total += len(layout.require(file, source)) if source in file else 0
    with tqdm(total=total, desc=label, unit="row", disable=not progress) as bar:
        filled = 0
        for shard in shards:
            with open_hdf5(shard, "r+") as file:
                filled += fill(file, bar)
    return filled


def _allocate(file: h5py.File, name: str, shape: tuple[int, ...]) -> None:
    settings = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    settings.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    settings.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    dataset = file.create_dataset(name, shape, np.float32, chunks=(1, *shape[1:]), track_times=False, dcpl=settings)
    dataset.attrs[layout.ROWS_DONE] = np.int64(0)
    _sync(file)


def _fill(target: h5py.Dataset, compute: Callable[[int, int], np.ndarray], batch_size: int, bar: tqdm) -> int:
    rows_done: Any = target.attrs[layout.ROWS_DONE]
    first, n = int(rows_done), len(target)
    bar.update(first)
    for start in range(first, n, batch_size):
        stop = min(start + batch_size, n)
        target[start:stop] = compute(start, stop)
        target.file.flush()  # write the rows before the counter that counts them as done
        target.attrs.modify(layout.ROWS_DONE, np.int64(stop))
        bar.update(stop - start)
    _sync(target.file)
    del target.attrs[layout.ROWS_DONE]
    return n - first


def _sync(file: h5py.File) -> None:
    file.flush()
    os.fsync(file.id.get_vfd_handle())
