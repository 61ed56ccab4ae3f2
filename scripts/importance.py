"""Measure how much each knob is heard, and store the result in the dataset as loss weights.

    python scripts/importance.py DATASET
    python scripts/importance.py DATASET --presets 32 --per-knob 8

Each knob is turned a little in a few of the dataset's presets; the change of the log-mel picture is its weight (mean
1). Training on the dataset then uses the weights; --remove takes them out again.
"""

import argparse


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", help="HDF5 file or folder of shards")
    parser.add_argument("--presets", type=int, default=24, help="presets to turn knobs in (default 24)")
    parser.add_argument("--per-knob", type=int, default=4, help="of these, how many for each knob (default 4)")
    parser.add_argument("--delta", type=float, default=0.1, help="how far a knob is turned, norm (default 0.1)")
    parser.add_argument("--workers", type=int, default=0, help="processes that render; 0 takes every core")
    parser.add_argument("--remove", action="store_true", help="remove stored weights instead")
    arguments = parser.parse_args()

    import numpy as np

    from vjax.audio.mel import MelConfig
    from vjax.data.importance import measure_importance
    from vjax.data.reader import Reader, sample_parameters
    from vjax.data.store import open_dataset, remove_importance, write_importance
    from vjax.vital.engine import RenderConfig
    from vjax.vital.wavetables import WavetableCatalog, standard_catalog

    try:
        if arguments.remove:
            remove_importance(arguments.dataset)
            return
        info = open_dataset(arguments.dataset)
        reader = Reader(info)
        _, rows = np.unique(reader.preset_hashes(), return_index=True)
        samples = [reader[row] for row in rows[: arguments.presets]]
        catalog = WavetableCatalog.from_json_string(info.catalog_json) if info.catalog_json else standard_catalog()
        weights = measure_importance(
            [(sample_parameters(sample, info.schema), int(sample.midi_note)) for sample in samples],
            info.schema,
            catalog,
            RenderConfig(),
            MelConfig(**info.mel),
            per_knob=arguments.per_knob,
            delta_norm=arguments.delta,
            workers=arguments.workers or None,
        )
        write_importance(arguments.dataset, weights)
    except (ValueError, TypeError) as error:
        raise SystemExit(f"scripts/importance.py: {error}") from error
    order = np.argsort(-weights)
    print("heard most:", ", ".join(f"{info.schema.continuous[i].name} {weights[i]:.2f}" for i in order[:12]))
    print(f"stored in {arguments.dataset}: {len(weights)} weights, {np.mean(weights <= 0.1):.0%} at the smallest, 0.1")


if __name__ == "__main__":
    main()
