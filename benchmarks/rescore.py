"""Computes the metrics of an evaluation again, from the sounds that it stored.

    python benchmarks/rescore.py runs/card/all     # then the same `vjax evaluate` command, which adds what is missing

For an evaluation by an older version, which lacks metrics of today. Matches are not made again. Rows without a stored
sound (`random` and `floor`) are removed; `vjax evaluate` makes them again. The older results.jsonl is kept as
results.jsonl.before.
"""

import argparse
import dataclasses
import json
import shutil
from pathlib import Path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="of an evaluation")
    folder = parser.parse_args().folder
    from vjax.audio.metric_names import METRICS, TRAITS
    from vjax.io.json_files import write_json

    settings = json.loads((folder / "settings.json").read_text())
    shutil.copy(folder / "results.jsonl", folder / "results.jsonl.before")
    lines = [json.dumps(row) + "\n" for row in rescored(folder, settings["render"]["sample_rate"])]
    (folder / "results.jsonl").write_text("".join(lines))
    if "places" in settings["refine"]:  # the former name
        settings["refine"]["parallel"] = settings["refine"].pop("places")
    write_json(folder / "settings.json", settings | {"metrics": (*METRICS, *TRAITS)})


def rescored(folder: Path, sample_rate: int) -> list[dict]:
    """The rows with today's metrics, of methods whose sound is stored; failed rows as they are."""
    from vjax.audio.files import read_audio
    from vjax.audio.scores import as_metrics, scores
    from vjax.audio.traits import trait_differences, traits_of
    from vjax.evaluation.results import Results
    from vjax.io.progress import progress_bar

    kept, targets = [], {}
    for (target, method), row in progress_bar(Results(folder).rows.items(), unit="row"):
        sounds = folder / "sounds" / target
        if row.scored and not (sounds / f"{method}.wav").exists():
            continue
        if row.scored:
            if target not in targets:
                audio = read_audio(sounds / "target.wav", sample_rate)
                targets[target] = audio, traits_of(audio, sample_rate)
            wanted, traits = targets[target]
            audio = read_audio(sounds / f"{method}.wav", sample_rate)
            found = scores(audio, wanted, sample_rate) | trait_differences(traits_of(audio, sample_rate), traits)
            row = dataclasses.replace(row, metrics=as_metrics(found))
        kept.append(dataclasses.asdict(row))
    return kept


if __name__ == "__main__":
    main()
