"""Statistics of how people use Vital's controls, over a folder of presets. The sampler reads them from usage.json.

`python -m vjax.data.usage DIR` counts again. Controls with the same role are pooled under one kind: `osc_N_level`
has the levels of all three oscillators, `env_N_attack` the attacks of all envelopes except the amplitude's.
"""

import argparse
import collections
import functools
import importlib.resources
import json
import pathlib
import re

import numpy as np

QUANTILES = (0.0, 0.05, 0.25, 0.5, 0.75, 0.95, 1.0)


@functools.cache
def kind(name: str) -> str:
    """The role of a control, source or destination: its name without the module's number."""
    name = re.sub(r"^(osc|lfo|random|filter)_\d", r"\1_N", name)
    name = re.sub(r"^env_[2-6]", "env_N", name)
    return re.sub(r"^(macro_control|modulation)_\d+", r"\1_N", name)


@functools.cache
def load_usage() -> dict:
    """Returns the shipped statistics; their content is described at `count_usage`."""
    return json.loads(importlib.resources.files("vjax.data").joinpath("usage.json").read_text())


def count_usage(presets: list, schema) -> dict:
    """Counts how `Preset`s use controls. A control counts only in presets in which it is audible.

    Returns:
      {"presets": n, "changed": {kind: share not at default}, "quantiles": {kind: norm quantiles where changed},
      "options": {kind: counts by option}, "sources": {name: routes}, "destinations": {kind: routes},
      "routes": mean routes a preset}
    """
    from vjax.sound.audibility import audible
    from vjax.sound.rules import audibility_rules
    from vjax.vital.standard_tables import standard_catalog
    from vjax.vital.vocabulary import Vocabulary, to_parameters

    vocabulary = Vocabulary(standard_catalog())
    defaults = schema.default_parameters()
    values, options = collections.defaultdict(list), {}
    sources, destinations = collections.Counter(), collections.Counter()
    rules = audibility_rules(schema)
    for preset in presets:
        parameters, _ = to_parameters(preset, schema, vocabulary, stand_in=False)
        is_audible = audible(rules, parameters.continuous, parameters.categorical, parameters[2:])
        for i, knob in enumerate(schema.continuous):
            if is_audible.continuous[i]:
                changed = abs(parameters.continuous[i] - defaults.continuous[i]) > 1e-4
                values[kind(knob.name)].append(float(parameters.continuous[i]) if changed else None)
        for i, menu in enumerate(schema.categorical):
            if is_audible.categorical[i]:
                # Each module's switch has its own count, because osc_1 is on far more often than osc_3.
                name = menu.name if menu.name.endswith("_on") else kind(menu.name)
                options.setdefault(name, [0] * menu.n_options)[int(parameters.categorical[i])] += 1
        for cell in parameters.route_index[parameters.route_index >= 0]:
            source, destination = divmod(int(cell), len(schema.destinations))
            sources[schema.sources[source]] += 1
            destinations[kind(schema.destinations[destination])] += 1
    changed = {name: [norm for norm in norms if norm is not None] for name, norms in values.items()}
    return {
        "presets": len(presets),
        "changed": {name: round(len(changed[name]) / len(norms), 4) for name, norms in values.items()},
        "quantiles": {
            name: np.quantile(norms, QUANTILES).round(4).tolist() for name, norms in changed.items() if len(norms) >= 3
        },
        "options": {name: counts for name, counts in options.items() if not name.endswith(("_wavetable", "_shape"))},
        "sources": dict(sources.most_common()),
        "destinations": dict(destinations.most_common()),
        "routes": round(sum(sources.values()) / len(presets), 2),
    }


def main() -> None:
    from vjax.engine.schema import engine_schema
    from vjax.io.find_files import find_presets
    from vjax.vital.preset import read_preset
    from vjax.vital.report_changes import report_changes

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=pathlib.Path, help="folder of .vital files, searched with its subfolders")
    parser.add_argument("--out", type=pathlib.Path, default=pathlib.Path("vjax/data/usage.json"))
    arguments = parser.parse_args()
    try:
        presets = [report_changes(read_preset(path), str(path)) for path in find_presets(arguments.directory)]
    except ValueError as error:
        parser.error(str(error))
    usage = count_usage(presets, engine_schema())
    arguments.out.write_text(json.dumps(usage, indent=1).replace("\n   ", " ") + "\n")
    print(f"{arguments.out}: {usage['presets']} presets, {usage['routes']} routes each")


if __name__ == "__main__":
    main()
