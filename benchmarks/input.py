"""Measures the input: rows per second from disk, those of a PyTorch DataLoader, and a training step's waiting time.

    python benchmarks/input.py --json out.json     # 4 minutes on two cores; needs pip install -e ".[bench]"

First table: batches of rows of full size (mel 1 x 128 x 173 float32, every knob and menu of the engine, routes), in an
order of their own, from files in the page cache: vjax's pipeline over sparse routes, the same over the report's dense
layout (features/modulation_t3, 219 kB a row), and a DataLoader with h5py over the same dense file, each read in this
process and by two others. The file stands for a set of 32 times as many rows. `ratio` is the first over the last, both
in this process.

Second table: a training step of the real model with batches from the pipeline, and from the rows on the device
(vjax/training/resident.py), over the same step with a batch that is on the device already.
"""

import argparse
import contextlib
import itertools
import json
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

BATCH = 32
REPEATS = 32  # each row stands for N rows of a larger set, so that shuffling costs as much
_LAYOUTS = {
    "vjax, sparse routes": "sparse.h5",
    "vjax, dense routes": "dense.h5",
    "DataLoader, dense routes": "dense.h5",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1024, help="rows of the dataset (default %(default)s: 0.4 GB)")
    parser.add_argument("--batches", type=int, default=32, help="read in one turn (default %(default)s)")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each reader, and of each feed of the step")
    parser.add_argument("--workers", type=int, default=2, help="reading processes (default %(default)s)")
    parser.add_argument("--width", type=int, default=64, help="of the model; 64 is the real one")
    parser.add_argument("--skip-step", action="store_true", help="the first table only")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        row_bytes = write_datasets(Path(folder), arguments.rows)
        found = compare_readers(Path(folder), row_bytes, arguments)
        if not arguments.skip_step:
            found |= compare_steps(Path(folder) / "sparse.h5", arguments)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def write_datasets(folder: Path, n: int) -> dict[str, int]:
    """Writes sparse.h5 and dense.h5, the same random rows twice. Returns what a row of each takes, in bytes."""
    from vjax.data import layout
    from vjax.data.write_shard import write_shard
    from vjax.sound.routes import N_SLOTS, dense_routes
    from vjax.vital.default_vocabulary import default_vocabulary

    schema, rng = default_vocabulary().schema(), np.random.default_rng(0)
    n_cells = len(schema.sources) * len(schema.destinations)
    index = np.full((n, N_SLOTS), -1, np.int32)
    value = np.zeros((n, N_SLOTS, 4), np.float32)
    for row, routes in enumerate(np.minimum(rng.geometric(0.15, n), 20)):  # a few, as in musicians' presets
        index[row, :routes] = rng.choice(n_cells, routes, replace=False)
        value[row, :routes, 0] = rng.uniform(-1, 1, routes)
    common = {
        layout.CONTINUOUS: rng.random((n, len(schema.continuous)), np.float32),
        layout.CATEGORICAL: rng.integers(0, schema.option_counts, (n, len(schema.categorical)), np.int32),
        layout.MEL: np.log1p(rng.exponential(0.3, (n, 1, 128, 173))).astype(np.float32),
        layout.MIDI_NOTE: rng.choice(np.array([48, 60, 72], np.int32), n),
        layout.PRESET_HASH: np.arange(n),
    }
    size = (len(schema.sources), len(schema.destinations))
    matrices = np.stack([dense_routes(*routes, *size) for routes in zip(index, value, strict=True)])
    attributes = {"tier": 3, "mel": {}, "generator_version": "benchmark"}
    row_bytes = {}
    for name, routes in (
        ("sparse.h5", {layout.ROUTE_INDEX: index, layout.ROUTE_VALUE: value}),
        ("dense.h5", {layout.FAST_DENSE_ROUTES: matrices}),
    ):
        write_shard(folder / name, schema, common | routes, attributes)
        arrays = {**common, **routes}
        row_bytes[name] = sum(a[0].nbytes for key, a in arrays.items() if key != layout.PRESET_HASH)
    return row_bytes


def compare_readers(folder: Path, row_bytes: dict[str, int], arguments: argparse.Namespace) -> dict[str, Any]:
    """Prints the first table."""
    with contextlib.ExitStack() as stack:
        readers = {}
        for workers in (0, arguments.workers):
            for name, file in _LAYOUTS.items():
                make = _data_loader if name.startswith("DataLoader") else _grain
                batches = stack.enter_context(contextlib.closing(make(folder / file, workers)))
                readers[name, workers] = batches
        rates: dict[tuple[str, int], list[float]] = {key: [] for key in readers}
        for batches in readers.values():
            _take(batches, 12)  # starts workers, and fills the buffer
        for _ in range(arguments.rounds):
            for key, batches in readers.items():
                _take(batches, 4)  # batches that were read ahead while others were measured
                began = time.perf_counter()
                _take(batches, arguments.batches)
                rates[key].append(arguments.batches * BATCH / (time.perf_counter() - began))
    print(
        f"{'rows of full size, batches of 32':34}{'rows/s':>10}{'MB/s':>9}{'rows/s a worker':>17}{'x DataLoader':>14}"
    )
    found: dict[str, Any] = {"rows_per_second": {}, "megabytes_per_second_per_worker": {}}
    for (name, workers), of_rounds in rates.items():
        peers = rates["DataLoader, dense routes", workers]
        rate, ratio = np.median(of_rounds), np.median(np.divide(of_rounds, peers))
        where = f"{name}, {f'{workers} processes' if workers else 'in process'}"
        megabytes = rate * row_bytes[_LAYOUTS[name]] / 1e6
        print(f"{where:42}{rate:8.0f}{megabytes:9.0f}{rate / max(workers, 1):13.0f}{ratio:14.2f}")
        found["rows_per_second"][where] = float(rate)
        found["megabytes_per_second_per_worker"][where] = float(megabytes / max(workers, 1))
        if name == "vjax, sparse routes":
            found["ratio_with_processes" if workers else "ratio"] = float(ratio)
    return found


def _take(batches: Iterator, n: int) -> None:
    for _ in itertools.islice(batches, n):
        pass


def _grain(path: Path, workers: int) -> Iterator:
    from vjax.data.reader import Reader
    from vjax.data.store import open_dataset
    from vjax.data.stream import train_batches

    reader = Reader(open_dataset(path))
    return train_batches(reader, np.tile(np.arange(len(reader)), REPEATS), BATCH, seed=0, workers=workers)


class DenseFile:
    """A map-style dataset as one writes it for PyTorch: h5py, opened on first use in each worker."""

    NAMES = (
        "features/mel_spectrogram",
        "params/continuous",
        "params/categorical",
        "features/modulation_t3",
        "metadata/midi_note",
    )

    def __init__(self, path: Path, n: int):
        self.path, self.n, self.columns = path, n, None

    def __len__(self) -> int:
        return self.n * REPEATS

    def __getitem__(self, i: int) -> tuple:
        if self.columns is None:
            import h5py

            file = h5py.File(self.path, "r")
            self.columns = [file[name] for name in self.NAMES]
        return tuple(column[i % self.n] for column in self.columns)


def _data_loader(path: Path, workers: int) -> Iterator:
    try:
        import torch
    except ModuleNotFoundError as error:
        raise SystemExit(f'the DataLoader needs {error.name}; install it with: pip install -e ".[bench]"') from error
    from vjax.data.store import open_dataset

    loader = torch.utils.data.DataLoader(
        DenseFile(path, open_dataset(path).n),
        batch_size=BATCH,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers > 0,
        multiprocessing_context="forkserver" if workers else None,  # jax's threads would not survive a fork
    )
    while True:
        yield from loader


def compare_steps(path: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Prints the second table."""
    import jax

    from vjax.data.reader import Reader
    from vjax.data.store import open_dataset
    from vjax.data.stream import train_batches
    from vjax.model.inverse import InverseModel, model_config
    from vjax.training.losses import LossConfig, loss_masks
    from vjax.training.metrics import metric_layout
    from vjax.training.resident import resident_batches
    from vjax.training.state import OptimizerConfig, create_state, make_optimizer
    from vjax.training.step import Recipe, data_mesh, make_train_step, replicate, shard_batch

    info = open_dataset(path)
    reader, rows, mesh = Reader(info), np.arange(info.n), data_mesh(jax.devices()[:1])
    model = InverseModel(model_config(info.schema, True, width=arguments.width, dropout=0.1, kernels="fast"))
    optimizer = make_optimizer(OptimizerConfig(), 1000)
    recipe = Recipe(model, optimizer, loss_masks(info.schema, 3), LossConfig(), metric_layout(info.schema), info.n)
    step = make_train_step(recipe)
    state = replicate(create_state(model, optimizer, 0, info.mel_shape), mesh)
    began = time.perf_counter()
    resident = resident_batches(reader, rows, BATCH, 0, 0, mesh)
    on_device = jax.block_until_ready(next(resident))
    loading_s = time.perf_counter() - began
    seconds: dict[str, list[float]] = {"a batch on the device": [], "the pipeline": [], "rows on the device": []}
    with contextlib.closing(train_batches(reader, rows, BATCH, 0)) as streamed, contextlib.closing(resident):
        feeds: dict[str, Callable] = dict(
            zip(
                seconds,
                (lambda: on_device, lambda: shard_batch(next(streamed), mesh), lambda: next(resident)),
                strict=True,
            )
        )
        for number in range(arguments.rounds + 1):
            for name, feed in feeds.items():
                began = time.perf_counter()
                state, metrics = step(state, feed())
                jax.block_until_ready(metrics)
                if number:  # the first compiles
                    seconds[name].append(time.perf_counter() - began)
    base = seconds["a batch on the device"]
    print(f"\n{f'a step of {BATCH}, width {arguments.width}, fed from':34}{'s':>8}{'x':>9}")
    found: dict[str, Any] = {"step_s": {}, "step_ratio": {}, "width": arguments.width, "resident_loading_s": loading_s}
    for name, of_rounds in seconds.items():
        ratio = float(np.median(np.divide(of_rounds, base)))
        print(f"{name:34}{np.median(of_rounds):8.3f}{ratio:9.3f}")
        found["step_s"][name] = float(np.median(of_rounds))
        found["step_ratio"][name] = ratio
    print(f"{info.n} rows were on the device after {loading_s:.2f} s")
    return found


if __name__ == "__main__":
    main()
