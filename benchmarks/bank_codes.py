"""Measures how well a bank's codes of one byte a component find the neighbours that whole index entries find.

    python benchmarks/bank_codes.py    # a minute on two cores

Takes the bank of the shipped model. Some of its sounds are searched in the others, by whole entries and by codes of
several lengths. Distances are the mean |difference| of whole entries, in dB; medians over the searched sounds.
"""

import argparse

import numpy as np

from vjax.candidates.bank import CHECKPOINT_BANK
from vjax.candidates.seeded_bank import encode
from vjax.candidates.sound_bank import Images
from vjax.shipped import MODEL

NEIGHBOURS = 9  # of a match


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--searched", type=int, default=400, help="number of sounds that are searched in the others")
    arguments = parser.parse_args()
    with np.load(MODEL / CHECKPOINT_BANK) as stored:
        below = stored["pictures"]
    order = np.random.default_rng(0).permutation(len(below))
    searched, bank = (below[part] for part in np.split(order, [arguments.searched]))
    mels = -searched.astype(np.float32)
    exact = np.stack([Images(bank).distances_db(mel) for mel in mels])
    print(f"{len(mels)} sounds, searched in {len(bank)} others; of the {NEIGHBOURS} neighbours that are found:")
    print(f"{'':16} {'best, dB':>9} {'mean, dB':>9}")
    report("whole entries", exact, exact)
    for components in (16, 32, 64, 96):
        codes = encode(lambda: [-bank.astype(np.float32)], components)
        report(f"{components} bytes", exact, np.stack([codes.distances_db(mel) for mel in mels]))
    print("the nearest by whole entries, in smaller banks:")
    for size in (500, 1000, 2000, 4000, len(bank)):
        print(f"{size:16} {np.median(exact[:, :size].min(1)):9.3f}")


def report(name: str, exact: np.ndarray, found: np.ndarray) -> None:
    neighbours = np.take_along_axis(exact, np.argsort(found, 1, kind="stable")[:, :NEIGHBOURS], 1)
    print(f"{name:16} {np.median(neighbours.min(1)):9.3f} {np.median(neighbours.mean(1)):9.3f}")


if __name__ == "__main__":
    main()
