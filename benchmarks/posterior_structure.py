"""Measures whether draws of a posterior contain the right modules, and whether probabilities are right.

    python benchmarks/posterior_structure.py --checkpoint runs/posterior --dataset DATASET --json structure.json

A *structure* is which modules are on: the options of all switches (`*_on`). Targets are validation rows; nothing is
rendered. The first table has the share of sounds whose structure is among N presets (coverage), and the smallest number
of wrong switches in one of the N. The second one compares probabilities that a switch is on with whether it is: by the
share of the draws, by the categorical head, and by how often it is on in training rows. There, `ECE` is the mean
distance between the mean probability and the share that is on, over ten bins of equal width (Guo et al. 2017, section
3), and `Brier` is the mean squared error.
"""

import argparse
import json
from pathlib import Path

import numpy as np
from posterior import COUNTS, opened, training_bank


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", required=True)
    parser.add_argument("--dataset", required=True, help="the run's dataset")
    parser.add_argument("--sounds", type=int, default=100)
    parser.add_argument("--draws", type=int, default=64)
    parser.add_argument("--guidance", type=float, nargs="+", default=[1.0, 2.0], help="1 is what was learnt")
    parser.add_argument("--json", type=Path, help="file for the numbers")
    arguments = parser.parse_args()
    from vjax.candidates.sound_bank import index_mel
    from vjax.inference.draw import draw_presets
    from vjax.inference.predict import Predictor

    predictor = Predictor.from_checkpoint(arguments.checkpoint, batch_size=1)
    reader, schema, training, validation = opened(arguments, predictor)
    frozen = schema.frozen_categorical()
    switches = [i for i, menu in enumerate(schema.categorical) if menu.name.endswith("_on") and not frozen[i]]
    bank = training_bank(arguments, predictor)
    truth, chance, found = [], {"categorical head": [], "training rows": []}, {}
    often = reader.read(training).categorical[:, switches].mean(0)
    for row in np.random.default_rng(0).permutation(validation)[: arguments.sounds].tolist():
        sample = reader[row]
        mel = np.asarray(sample.mel, np.float32)
        truth.append(sample.categorical[switches])
        outputs = predictor.run_mels(mel[None])
        predicted = predictor.decode_batch(outputs, [""], confidence=True)[0]
        names = [schema.categorical[i].name for i in switches]
        chance["categorical head"].append([predicted.confidence.menu_distribution[name][1] for name in names])
        chance["training rows"].append(often)
        found.setdefault("prediction", []).append(predicted.parameters.categorical[None, switches])
        for guidance in arguments.guidance:
            name = f"draws, guidance {guidance:g}"
            drawn = draw_presets(predictor, mel, arguments.draws, row, guidance=guidance)
            options = np.stack([one.categorical[switches] for one in drawn])
            found.setdefault(name, []).append(options)
            chance.setdefault(name, []).append(options.mean(0))
        near = bank.nearest(index_mel(mel[0]), int(sample.midi_note), arguments.draws)
        rows = [int(neighbour.name) for neighbour in near]
        found.setdefault("neighbours", []).append(np.stack([reader[one].categorical[switches] for one in rows]))
    result = {"switches": len(switches), "sounds": len(truth), "structure": {}, "probability": {}}
    on = np.stack(truth)
    for name, some in found.items():
        wrong = np.stack([(options != right).sum(1) for options, right in zip(some, truth, strict=True)])
        for n in [n for n in COUNTS if n <= wrong.shape[1]]:
            best = wrong[:, :n].min(1)
            result["structure"][f"{name}, {n}"] = {"coverage": float(np.mean(best == 0)), "wrong": float(best.mean())}
            print(f"{name:20} {n:3}: coverage {np.mean(best == 0):5.1%}, {best.mean():.2f} of {len(switches)} wrong")
    for name, some in chance.items():
        probability = np.stack(some)
        scores = {"ece": calibration_error(probability, on), "brier": float(np.mean((probability - on) ** 2))}
        result["probability"][name] = scores
        print(f"{name:20} ECE {scores['ece']:.3f}, Brier {scores['brier']:.3f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


def calibration_error(probability: np.ndarray, on: np.ndarray) -> float:
    """The mean over all values of |mean probability - share that is on| of their bin."""
    bins = np.minimum((probability * 10).astype(int), 9)
    error = 0.0
    for one in np.unique(bins):
        inside = bins == one
        error += inside.mean() * abs(probability[inside].mean() - on[inside].mean())
    return float(error)


if __name__ == "__main__":
    main()
