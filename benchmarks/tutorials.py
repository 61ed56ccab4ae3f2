"""Follows the tutorials of presets, and compares the sounds.

    python benchmarks/tutorials.py ~/Documents/Vital --json out.json     # about 3 s a preset on two cores

For each preset whose followed tutorial does not render the same bits: the MSS in dB between both renders, and the
re-render reference (the preset with other random numbers, the smaller of two).
"""

import argparse
import json
from pathlib import Path

import numpy as np

NOTE, SEEDS = 48, (1, 2)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("presets", nargs="+", type=Path, help=".vital files, or folders of them")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    arguments = parser.parse_args()
    from vjax.vital.find_files import find_files

    from vjax.engine.config import RenderConfig

    files = find_files(arguments.presets, ".vital")
    found = measured(files, RenderConfig(seconds=1.5, note_s=1.0))
    print(f"presets: {len(files)}, equal bit for bit: {len(files) - len(found)}")
    for row in found:
        print(f"  {row['preset'][:40]:40} {row['mss_db']:6.2f} dB, reference {row['reference_db']:6.2f} dB")
    if arguments.json:
        arguments.json.write_text(json.dumps({"presets": len(files), "unequal": found}, indent=1) + "\n")


def measured(files: list[Path], config) -> list[dict]:
    """A row for each preset whose followed tutorial renders other bits."""
    from vjax.audio.distances import mss
    from vjax.engine.pool import RenderJob, RenderPool
    from vjax.vital.preset import read_preset
    from vjax.vital.preset_json import read_json
    from vjax.vital.tutorial.explain import explain
    from vjax.vital.tutorial.follow import follow

    jobs = []
    for path in files:
        preset = read_preset(path)
        jobs += [RenderJob(preset.to_json(), (NOTE,))]
        jobs += [RenderJob(follow(explain(preset), read_json(path)), (NOTE,))]
    with RenderPool(config) as pool:
        audio = [one.audio[0] for one in pool.map(jobs)]
        unequal = [i for i in range(len(files)) if not np.array_equal(audio[2 * i], audio[2 * i + 1])]
        again = [RenderJob(jobs[2 * i].preset, (NOTE,), seed) for i in unequal for seed in SEEDS]
        others = iter([one.audio[0] for one in pool.map(again)])
    return [
        {
            "preset": files[i].stem,
            "mss_db": float(mss(audio[2 * i + 1], audio[2 * i])),
            "reference_db": min(float(mss(next(others), audio[2 * i])) for _ in SEEDS),
        }
        for i in unequal
    ]


if __name__ == "__main__":
    main()
