"""Computes the scores of the model card, after a check of the presets that it needs.

    python benchmarks/card.py --presets ../shared/presets --out runs/card      # `make card`
    python benchmarks/card.py --presets presets --collect CLONES               # copies the presets from repositories

card_presets.csv lists the presets with their repositories and digests; docs/reproduce.md explains how to get them. If
there is no folder --presets, the card is computed from the five presets of the tests, and so are the recordings
without --sounds. A run that was stopped continues.
"""

import argparse
import csv
import hashlib
import shutil
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

MANIFEST = Path(__file__).with_name("card_presets.csv")
_DATA = Path(__file__).parents[1] / "tests" / "data"
SHIPPED, SHIPPED_SOUNDS = _DATA / "presets", _DATA / "sounds"

HELD_OUT = ("BMuXBeats", "TheSmallTeaBoi", "christ-offer")
"""The authors of the targets. The model was trained on no preset of theirs."""

TRAINED_ON = "instatetragrammaton"
"""The author of the presets that the model was trained on, which are the bank of the baselines."""

_SEARCHES = "--refine-evals", "100,500", "--no-elsewhere"
_REFINED = 10  # targets that are also searched, which takes hours
_SHOWN = 5  # problems that a message lists


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--presets", type=Path, required=True, help="a folder with one folder for each author")
    parser.add_argument("--sounds", type=Path, help="recordings (default: the two of the tests)")
    parser.add_argument("--collect", type=Path, metavar="DIR", help="copy the presets from below DIR, and stop")
    parser.add_argument("--limit", type=int, default=0, help="at most N targets, for a short trial (default 0: all)")
    parser.add_argument("--out", type=Path, default=Path("runs/card"), help="default %(default)s")
    arguments = parser.parse_args()
    manifest = read_manifest()
    if arguments.collect:
        print(f"{arguments.presets}: presets copied: {collect(arguments.collect, arguments.presets, manifest)}")
    shipped = not arguments.presets.exists()
    if shipped:
        print(
            f"card: there is no folder {arguments.presets}, so these are the scores of the five presets in tests/data/"
            "presets, and not those of the model card; docs/reproduce.md explains how to get its presets"
        )
    elif found := problems(arguments.presets, manifest):
        more = f", and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        print(
            f"card: {arguments.presets} lacks {len(found)} of {len(manifest)} presets of {MANIFEST.name}: "
            f"{', '.join(found[:_SHOWN])}{more}; docs/reproduce.md explains how to get them",
            file=sys.stderr,
        )
        return 1
    if arguments.collect:
        return 0
    sounds = arguments.sounds or SHIPPED_SOUNDS
    if not sounds.exists():
        print(f"card: there is no folder {sounds}, so the recordings are the two sounds in tests/data/sounds")
        sounds = SHIPPED_SOUNDS
    return evaluate(commands(arguments.presets, arguments.out, arguments.limit, shipped, sounds))


def read_manifest() -> dict[str, str]:
    """The SHA-256 of each preset, by its path below the folder of presets."""
    with MANIFEST.open(newline="", encoding="utf-8") as file:
        return {row["file"]: row["sha256"] for row in csv.DictReader(file)}


def problems(folder: Path, manifest: dict[str, str]) -> list[str]:
    """The presets that are missing or differ, as text; and those in the folder that the manifest lacks."""
    found = []
    for name, digest in manifest.items():
        path = folder / name
        if not path.is_file():
            found.append(f"{name} (missing)")
        elif digest_of(path) != digest:
            found.append(f"{name} (another version)")
    authors = [folder / author for author in (*HELD_OUT, TRAINED_ON)]
    present = {path.relative_to(folder).as_posix() for author in authors for path in author.rglob("*.vital")}
    return found + [f"{name} (not in the list; remove it)" for name in sorted(present - manifest.keys())]


def collect(source: Path, folder: Path, manifest: dict[str, str]) -> int:
    """Copies the presets of the manifest from below `source` to `folder`. Returns the number of copies.

    Presets are found by their digests, because the repositories name them differently.
    """
    by_digest = {digest: name for name, digest in manifest.items()}
    copied = set()
    for path in sorted(source.rglob("*.vital")):
        name = by_digest.get(digest_of(path))
        if name:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if path.resolve() != (folder / name).resolve():
                shutil.copyfile(path, folder / name)
            copied.add(name)
    return len(copied)


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def commands(presets: Path, out: Path, limit: int, shipped: bool, sounds: Path) -> list[list[str]]:
    """The arguments of `vjax evaluate` for the card. Each kind of run has a folder of its own, so that none clashes."""
    targets, bank = [SHIPPED], SHIPPED
    if not shipped:
        targets, bank = [presets / author for author in HELD_OUT], presets / TRAINED_ON
    out = out / ("shipped-presets" if shipped else "") / (f"limit-{limit}" if limit else "")
    recordings = "recordings" if sounds != SHIPPED_SOUNDS else "shipped-sounds"
    recorded = ["--checkpoint", "shipped", "--audio", str(sounds), "--bank", str(bank)]
    common = ["--checkpoint", "shipped", "--presets", *map(str, targets), "--bank", str(bank)]
    refined = min(limit, _REFINED) if limit else _REFINED
    return [
        [*common, "--out", str(out / "all"), "--limit", str(limit)],
        [*recorded, "--out", str(out / recordings), "--limit", str(limit)],
        [*common, "--out", str(out / "refined"), "--limit", str(refined), *_SEARCHES],
    ]


def evaluate(each: Iterable[Sequence[str]]) -> int:
    """Runs `vjax evaluate` with each list of arguments. Stops at the first one that fails."""
    from vjax.cli.main import main as vjax

    for arguments in each:
        print(f"vjax evaluate {' '.join(arguments)}", flush=True)
        code = vjax(["evaluate", *arguments])
        if code:
            folder = arguments[arguments.index("--out") + 1]
            print(
                f"card: the evaluation failed. If {folder} contains one with other settings, as of an older version, "
                "remove this folder, or give another one by `make card CARD=FOLDER`",
                file=sys.stderr,
            )
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())
