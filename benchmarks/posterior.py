"""Measures presets that the posterior draws: how near the best of N comes, beside the prediction and neighbours.

    python benchmarks/posterior.py --checkpoint runs/shipped --dataset runs/shipped/data --sounds 40

The sounds are validation rows of the dataset (of the split of the checkpoint's run); or, with `--presets`, presets of a
folder at `--note`. Each target is rendered from its own preset. Distances are MSS in dB after the level of each
rendering was set to that of the target, and medians over the sounds. Neighbours are training rows of the dataset,
searched as `vjax match` searches a bank. So each row of the table is made with the same number of renders.
"""

import argparse
import json
from pathlib import Path

import numpy as np

COUNTS = (1, 4, 16, 64)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", default="shipped")
    parser.add_argument("--dataset", help="the run's dataset: its validation rows are targets, others are neighbours")
    parser.add_argument("--presets", help="folder of presets to use as targets in place of validation rows")
    parser.add_argument("--note", type=int, default=48, help="MIDI note of presets")
    parser.add_argument("--sounds", type=int, default=40)
    parser.add_argument("--draws", type=int, default=16, help="presets to draw for each sound")
    parser.add_argument("--steps", type=int, default=24, help="of the sampler")
    parser.add_argument("--guidance", type=float, nargs="+", default=[2.0])
    parser.add_argument("--json", type=Path, help="file for the distances of all sounds")
    arguments = parser.parse_args()
    from vjax.inference.predict import Predictor

    predictor = Predictor.from_checkpoint(arguments.checkpoint, batch_size=1)
    targets = preset_targets(arguments) if arguments.presets else dataset_targets(arguments, predictor)
    found = measure(arguments, predictor, targets)
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=1) + "\n")


def dataset_targets(arguments, predictor):
    """(note, preset) of validation rows."""
    reader, schema, _, rows = opened(arguments, predictor)
    for row in np.random.default_rng(0).permutation(rows)[: arguments.sounds].tolist():
        yield int(reader[row].midi_note), preset_of(reader[row], schema, predictor)


def opened(arguments, predictor):
    """(reader, schema, training rows, validation rows) of the dataset, split as in the checkpoint's run."""
    from vjax.data.reader import encoded_as
    from vjax.data.store import open_dataset
    from vjax.data.stream import split

    info, reader = encoded_as(open_dataset(arguments.dataset), predictor.schema)
    settings = predictor.meta["settings"]
    return reader, info.schema, *split(reader, settings["data"]["val_fraction"], settings["seed"])


def preset_of(sample, schema, predictor):
    from vjax.data.reader import sample_parameters
    from vjax.vital.vocabulary import to_preset

    return to_preset(sample_parameters(sample, schema), schema, predictor.vocabulary, name="")


def training_bank(arguments, predictor):
    """The training rows as a bank, with whole index entries."""
    from vjax.candidates.sound_bank import Images, SoundBank, index_mel

    reader, schema, rows, _ = opened(arguments, predictor)
    blocks = [reader.read(rows[first : first + 512]) for first in range(0, len(rows), 512)]
    entries = np.concatenate([index_mel(block.mel[:, 0]).astype(np.float16) for block in blocks])
    notes = np.concatenate([block.midi_note for block in blocks])
    names = [str(row) for row in rows]
    return SoundBank(Images(entries), notes, names, lambda i: preset_of(reader[rows[i]], schema, predictor))


def preset_targets(arguments):
    from vjax.vital.preset import read_preset

    for path in sorted(Path(arguments.presets).rglob("*.vital"))[: arguments.sounds]:
        yield arguments.note, read_preset(path)


def measure(arguments, predictor, targets) -> dict:
    from vjax.audio.distances import mss
    from vjax.audio.silence import is_silent
    from vjax.candidates.sound_bank import index_mel
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.inference.draw import draw_presets
    from vjax.inference.predict import network_input, render_config
    from vjax.vital.vocabulary import to_preset

    render = render_config(predictor)
    bank = training_bank(arguments, predictor) if arguments.dataset else None

    def distance_db(sound, target) -> float:
        if sound is None or is_silent(sound):
            return np.inf
        # MSS counts levels. A match sets the level of each candidate, and so does this script.
        gain = np.sqrt(np.mean(np.square(target)) / np.mean(np.square(sound)))
        return float(mss(sound * np.float32(gain), target, render.sample_rate))

    rows: dict[str, list] = {}
    with RenderPool(render) as pool:
        for number, (note, preset) in enumerate(targets):
            (target,) = pool.map([RenderJob(preset.to_json(), (note,))])
            if target.audio is None or is_silent(target.audio[0]):
                continue
            audio = target.audio[0]
            predicted = predictor.predict(audio, render.sample_rate)
            mel = np.asarray(predictor.run(network_input(audio)[None]).mels)[0]
            candidates = {"prediction": [predicted.parameters]}
            if predictor.model.config.has_posterior:
                for guidance in arguments.guidance:
                    candidates[f"draws, guidance {guidance:g}"] = draw_presets(
                        predictor, mel, arguments.draws, number, arguments.steps, guidance
                    )
            candidates = {
                name: [to_preset(one, predictor.schema, predictor.vocabulary, name="") for one in some]
                for name, some in candidates.items()
            }
            if bank is not None:
                found = bank.nearest(index_mel(mel[0]), note, arguments.draws)
                candidates["neighbours"] = [neighbour.preset for neighbour in found]
            for name, some in candidates.items():
                sounds = pool.map(RenderJob(one.to_json(), (note,)) for one in some)
                distances = [distance_db(None if s.audio is None else s.audio[0], audio) for s in sounds]
                rows.setdefault(name, []).append(distances)
            line = "; ".join(f"{name} {min(some[-1]):.2f}" for name, some in rows.items())
            print(f"{number + 1}: {line}", flush=True)
    for name, some in rows.items():
        distances = np.array(some)
        for n in [n for n in COUNTS if n <= distances.shape[1]]:
            best = distances[:, :n].min(1)
            print(f"{name:24} best of {n:3}: median {np.median(best):6.2f}, mean {np.mean(best):6.2f} dB")
    return rows


if __name__ == "__main__":
    main()
