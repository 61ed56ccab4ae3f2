"""The training step on a GPU: samples a second and FLOP utilisation, against PyTorch with torch.compile.

    python benchmarks/train_step_gpu.py --json out.json                  # bfloat16, batch 512
    python benchmarks/train_step_gpu.py --batch 256 --rounds 7
    python benchmarks/train_step_gpu.py --peak-tflops 989                # of a device that the table lacks

vjax's own jitted step and benchmarks/torch_twin.py's (torch.compile, bfloat16 autocast, channels_last) take turns on a
batch that is on the device; `ratio` is the median over rounds of (PyTorch's time / vjax's time). The second row streams
vjax's batches from a temporary dataset through vjax's own store and pipeline. FLOPs are those of the model's matrix
products and convolutions, three times the forward pass (`model_flops`), whatever form computes them. Without a GPU the
same runs on the CPU in a small form (batch 8, float32) that only tests the script. PyTorch needs
pip install -e ".[bench]"; without it only the rows of vjax are measured.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
from train_step import MEL_SHAPE, make_recipe, random_batch, torch_side

# Dense bfloat16 with float32 accumulation, from NVIDIA's data sheets.
PEAK_TFLOPS = {
    "H200": 989,
    "H100 PCIe": 756,
    "H100": 989,
    "A100": 312,
    "L40S": 362,
    "L40": 181,
    "L4": 121,
    "RTX 4090": 165,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, help="512 on a GPU, 8 on the CPU")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--steps", type=int, help="timed steps of each side in a round: 20 on a GPU, 2 on the CPU")
    parser.add_argument("--rows", type=int, help="of the temporary dataset: 16 batches on a GPU, 4 on the CPU")
    parser.add_argument("--workers", type=int, default=0, help="processes that read; 0 reads in a thread")
    parser.add_argument("--peak-tflops", type=float, help="of the device, if the table lacks it")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    import jax

    device = jax.devices()[0]
    gpu = device.platform == "gpu"
    if not gpu:
        print("No GPU: a small form on the CPU, float32. Its times do not apply to GPUs.")
    batch = arguments.batch or (512 if gpu else 8)
    steps = arguments.steps or (20 if gpu else 2)
    recipe = make_recipe(compute_dtype="bfloat16" if gpu else "float32")
    with tempfile.TemporaryDirectory() as folder:
        sides = _vjax_sides(
            recipe, batch, Path(folder), arguments.rows or batch * (16 if gpu else 4), arguments.workers
        )
        sides |= _torch_sides(recipe, batch, gpu)
        seconds: dict[str, list[float]] = {name: [] for name in sides}
        for run in sides.values():
            run(3)  # compiles, and fills the pipeline's buffer
        for _ in range(arguments.rounds):
            for name, run in sides.items():
                seconds[name].append(run(steps) / steps)
    peak = arguments.peak_tflops or next(
        (tflops for part, tflops in PEAK_TFLOPS.items() if part in device.device_kind), 0
    )
    found = _table(seconds, batch, model_flops(recipe, batch), peak)
    found |= {"device": device.device_kind, "on_gpu": gpu, "batch": batch, "peak_tflops": peak or None}
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1))


def model_flops(recipe, batch: int) -> float:
    """Floating point operations of a step's products and convolutions: forward, and twice as many backward.

    XLA's count of the forward pass without training's other forms; what is done once a value is small beside it.
    """
    import jax

    model = recipe.model
    mel = jax.ShapeDtypeStruct((batch, *MEL_SHAPE), np.float32)
    variables = jax.eval_shape(model.init, jax.random.key(0), mel)
    return 3 * jax.jit(model.apply).lower(variables, mel).cost_analysis()["flops"]


def _vjax_sides(recipe, batch: int, folder: Path, rows: int, workers: int) -> dict:
    """Functions of a number of steps that return their seconds: a batch on the device, and the pipeline's."""
    import jax

    from vjax.data.reader import Reader
    from vjax.data.stream import train_batches
    from vjax.training.state import create_state
    from vjax.training.step import data_mesh, make_train_step, replicate, shard_batch

    mesh = data_mesh(jax.devices()[:1])
    step, on_device = make_train_step(recipe), shard_batch(random_batch(recipe, batch), mesh)
    state = replicate(create_state(recipe.model, recipe.optimizer, 0, MEL_SHAPE), mesh)
    reader = Reader(_dataset(recipe, folder, rows))
    streamed = train_batches(reader, np.arange(rows), batch, seed=0, workers=workers)

    def run(n: int, next_batch) -> float:
        nonlocal state
        began = time.perf_counter()
        for _ in range(n):
            state, metrics = step(state, next_batch())
        jax.block_until_ready((state, metrics))
        return time.perf_counter() - began

    return {
        "vjax": lambda n: run(n, lambda: on_device),
        "vjax with input": lambda n: run(n, lambda: shard_batch(next(streamed), mesh)),
    }


def _dataset(recipe, folder: Path, rows: int):
    """A dataset of random rows in the store's own form."""
    from vjax.data.store import open_dataset
    from vjax.data.write_shard import write_shard
    from vjax.vital.default_vocabulary import default_vocabulary

    batch, rng = random_batch(recipe, rows, seed=1), np.random.default_rng(2)
    arrays = {
        "features/mel_spectrogram": batch.mel.astype(np.float16),
        "params/continuous": batch.continuous,
        "params/categorical": batch.categorical,
        "modulation/index": batch.modulation.index,
        "modulation/value": batch.modulation.value,
        "metadata/midi_note": batch.midi_note,
        "metadata/velocity": np.full(rows, 0.8, np.float32),
        "metadata/source": np.array(["random"] * rows),
        "metadata/preset_hash": rng.integers(-(2**63), 2**63, rows, np.int64),
        "metadata/preset_name": np.array(["random"] * rows),
        "metadata/tier": np.full(rows, 3, np.int32),
        "metadata/seed": np.arange(rows, dtype=np.int64),
    }
    mel = {"sample_rate": 44100, "n_fft": 2048, "hop": 512, "n_mels": 128, "f_min_hz": 0.0, "f_max_hz": 22050.0}
    render = {"seconds": 2.0, "note_s": 1.5, "velocity": 0.8, "sample_rate": 44100, "timeout_s": 30.0}
    vocabulary = default_vocabulary()
    attributes = {"tier": 3, "mel": mel, "generator_version": "random", "render": render}
    attributes["catalog"] = vocabulary.to_json_string()
    write_shard(folder / "shard-00000.h5", vocabulary.schema(), arrays, attributes)
    return open_dataset(folder)


def _torch_sides(recipe, batch: int, gpu: bool) -> dict:
    """The twin's side; none where PyTorch is missing or finds no GPU."""
    try:
        import torch
        import torch_twin
    except (ImportError, SystemExit) as error:
        print(f"Without PyTorch: {error}")
        return {}
    if gpu and not torch.cuda.is_available():
        print("Without PyTorch: it finds no GPU; install a CUDA build of it")
        return {}
    import jax

    from vjax.training.state import create_state

    device = "cuda" if gpu else "cpu"
    torch.set_float32_matmul_precision("high")
    params = jax.device_get(create_state(recipe.model, recipe.optimizer, 0, MEL_SHAPE).params)
    _, step = torch_side(recipe, params, device, bfloat16=gpu, compiled=gpu)
    inputs = torch_twin.torch_batch(random_batch(recipe, batch), device)

    def run(n: int) -> float:
        began = time.perf_counter()
        for _ in range(n):
            loss, _ = step(inputs)
        loss.item()
        if gpu:
            torch.cuda.synchronize()
        return time.perf_counter() - began

    return {"PyTorch": run}


def _table(seconds: dict[str, list[float]], batch: int, flops: float, peak_tflops: float) -> dict:
    """Prints the rows, and returns them with the ratios."""
    print(f"{'':18}{'ms a step':>11}{'samples/s':>11}{'TFLOP/s':>9}{'of peak':>9}")
    rows = {}
    for name, of_rounds in seconds.items():
        median = float(np.median(of_rounds))
        tflops = flops / median / 1e12
        share = tflops / peak_tflops if peak_tflops else None
        rows[name] = {"step_s": median, "samples_per_s": batch / median, "tflops": tflops, "utilisation": share}
        shown = f"{share:9.1%}" if share is not None else f"{'?':>9}"
        print(f"{name:18}{1e3 * median:11.1f}{batch / median:11.1f}{tflops:9.2f}{shown}")

    def ratio(slow: str, fast: str) -> float | None:
        if slow not in seconds:
            return None
        value = float(np.median(np.array(seconds[slow]) / np.array(seconds[fast])))
        print(f"{slow} / {fast}: {value:.3f}")
        return value

    return {"ratio": ratio("PyTorch", "vjax"), "input_cost": ratio("vjax with input", "vjax"), "rows": rows}


if __name__ == "__main__":
    main()
