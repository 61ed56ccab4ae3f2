"""Measures training sounds that share a load: how much faster they are made, and how far they are from exact ones.

    python benchmarks/variants.py --presets PRESETS --json out.json    # 10 minutes on two cores

Speed: the recipe of configs/shipped.py makes a dataset in three ways, in turn: each preset for itself, as variants
(`sampling.variants`), and as variants without oversampling. The time runs from the end of the first shard to that of
the last, by the files' times. CPU seconds are those of all processes, start included; other work on the machine changes
them less. The ratios are medians over the rounds.

Distance: MSS in dB between a sound as it is in the dataset and the same preset on a fresh Synth. Beside it, as a
reference, the distance between two fresh Synths with other random seeds.
"""

import argparse
import dataclasses
import json
import tempfile
from pathlib import Path

import numpy as np

SHARDS = 3  # of a round; the first is not timed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", help="folder of people's presets to mix in, as for `vjax generate`")
    parser.add_argument("--variants", type=int, default=16, help="sounds that share a load")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--candidates", type=int, default=96, help="of a shard")
    parser.add_argument("--sounds", type=int, default=96, help="for the distance")
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    found = speed(arguments) | distance(arguments)
    for name, value in found.items():
        print(f"{name:55} {value:.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def ways(arguments: argparse.Namespace) -> dict:
    """The generation settings of each way."""
    from vjax.data.sampling_config import SamplingConfig
    from vjax.data.shard import GenerationConfig

    sampling = SamplingConfig(preset_share=0.7)
    one = GenerationConfig(
        sampling, random_notes=1, presets_per_shard=arguments.candidates, mel_dtype="float16", store_audio=False
    )
    variants = dataclasses.replace(one, sampling=dataclasses.replace(sampling, variants=arguments.variants))
    return {
        "each for itself": one,
        "variants": variants,
        "variants, no oversampling": dataclasses.replace(variants, oversampling=False),
    }


def speed(arguments: argparse.Namespace) -> dict[str, float]:
    from vjax.data.generate import generate

    rates: dict[str, list[float]] = {name: [] for name in ways(arguments)}
    costs: dict[str, list[float]] = {name: [] for name in ways(arguments)}
    for number in range(arguments.rounds):
        for name, config in ways(arguments).items():
            with tempfile.TemporaryDirectory() as folder:
                rows = int(SHARDS * 0.7 * arguments.candidates)
                began_s = _cpu_s()
                generate(config, folder, rows, number, presets=arguments.presets, progress=False)
                costs[name].append((_cpu_s() - began_s) / rows)
                shards = sorted(Path(folder).glob("*.h5"))
                seconds = 1e-9 * (shards[-1].stat().st_mtime_ns - shards[0].stat().st_mtime_ns)
                rates[name].append((rows - _rows(shards[0])) / seconds)
        line = (f"{name} {rates[name][-1]:.2f} sounds/s, {costs[name][-1]:.3f} CPU s a sound" for name in rates)
        print(f"round {number + 1}: " + "; ".join(line), flush=True)
    found = {}
    for what, values, first in (("sounds a second", rates, 1), ("CPU seconds a sound", costs, -1)):
        plain = np.array(values["each for itself"])
        found |= {f"{what}, {name}": float(np.median(value)) for name, value in values.items()}
        found |= {
            f"{what}, factor, {name}": float(np.median((np.array(value) / plain) ** first))
            for name, value in values.items()
        }
    return found


def _cpu_s() -> float:
    """CPU seconds of this process and of the processes below it, those that ended included."""
    import psutil

    this = psutil.Process()
    times = [process.cpu_times() for process in (this, *this.children(recursive=True))]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def distance(arguments: argparse.Namespace) -> dict[str, float]:
    from vjax.audio.distances import mss
    from vjax.audio.silence import is_silent
    from vjax.data.preset_bank import load_bank
    from vjax.data.sampling import sample_block
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.vital.vocabulary import from_parameters

    bank = load_bank(arguments.presets)
    schema, config = bank.vocabulary.schema(), ways(arguments)["variants"]
    draws = sample_block(schema, config.sampling, 7, 0, arguments.sounds, bank.entries)
    jobs = []
    for i, draw in enumerate(draws):
        preset = from_parameters(draw.played, schema, bank.vocabulary, name="")
        jobs.append(RenderJob(preset, config.notes_of(7, 0, i)))
    with RenderPool(config.render) as pool:
        exact = _sounds(pool.map(jobs))
        other = _sounds(pool.map([dataclasses.replace(job, seed=1) for job in jobs]))
        in_turn = _sounds(pool.map_groups(_groups(jobs, arguments.variants)))
        for job in jobs:
            job.preset["settings"]["oversampling"] = 0.0
        fast = _sounds(pool.map_groups(_groups(jobs, arguments.variants)))
    audible = [i for i, sound in enumerate(exact) if sound is not None and not is_silent(sound)]
    found = {"audible sounds": float(len(audible))}
    for name, sounds in (("another seed", other), ("variants", in_turn), ("variants, no oversampling", fast)):
        distances = [float(mss(sounds[i], exact[i])) for i in audible if sounds[i] is not None]
        found |= {
            f"MSS to a fresh Synth, {name}, {statistic.__name__}": float(statistic(distances))
            for statistic in (np.median, np.mean)
        }
    return found


def _groups(jobs: list, variants: int) -> list:
    from vjax.engine.pool import RenderGroup

    return [RenderGroup(tuple(jobs[i : i + variants])) for i in range(0, len(jobs), variants)]


def _sounds(renderings) -> list[np.ndarray | None]:
    return [None if rendering.audio is None else rendering.audio[0] for rendering in renderings]


def _rows(shard: Path) -> int:
    import h5py

    with h5py.File(shard) as file:
        return len(file["metadata/midi_note"])


if __name__ == "__main__":
    main()
