"""`vjax match`: writes the Vital preset that makes a sound."""

import argparse
import json
import math
from pathlib import Path

from vjax.cli.command import command_parser, run

CHECKPOINT = "runs/demo"
"""Where `make demo` leaves its model."""

EPILOG = """\
Writes the preset, its sound (x-vjax.wav) and a picture of both sounds (x-vjax.png). The sound may be WAV, FLAC, OGG,
MP3 or AIFF, of any rate and length; its first two seconds after the onset are heard. The note is taken from the sound,
unless --note names it (C4 is 60), and the preset is transposed until it plays in tune.

examples:
  vjax match bass.wav -o bass.vital
  vjax match bass.wav --checkpoint runs/tier3 --note 36
  vjax match bass.wav --json                 # everything as JSON: routes, probabilities, spreads
many sounds: see vjax export --help
"""


def main(argv: list[str] | None = None) -> int:
    """Runs the command with the arguments `argv`, by default the process's own. Returns the exit code."""
    parser = command_parser("match", "Writes the Vital preset that makes a sound.", EPILOG)
    parser.add_argument("sound", help="a sound file")
    parser.add_argument("-o", "--out", metavar="X.vital", help="the preset to write; by default beside the sound")
    add_matching(parser)
    parser.add_argument("--json", action="store_true", help="print everything found as one JSON object")
    arguments = parser.parse_args(argv)
    return run(parser.prog, lambda: _match(arguments))


def add_matching(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that `match` and `export` share."""
    parser.add_argument(
        "--checkpoint", default=CHECKPOINT, metavar="DIR", help="a training run's folder (default %(default)s)"
    )
    parser.add_argument("--which", choices=("best", "latest"), default="best", help="which checkpoint (default best)")
    parser.add_argument("--note", type=int, help="MIDI note of the sound; by default the one that is heard")
    parser.add_argument("--no-tune", action="store_true", help="leave the preset's pitch as the model heard it")


def _match(arguments: argparse.Namespace) -> int:
    from vjax.audio.clip import read_clip
    from vjax.inference.export import checkpoint_vocabulary
    from vjax.inference.match import MatchConfig, Matcher, render_config
    from vjax.inference.outputs import write_match
    from vjax.inference.predict import Predictor
    from vjax.inference.stream import Failure
    from vjax.vital.pool import RenderPool

    config = MatchConfig(arguments.note, not arguments.no_tune)
    sound = Path(arguments.sound)
    out = Path(arguments.out) if arguments.out else sound.with_suffix(".vital")
    if out.suffix != ".vital":
        raise ValueError(f"--out {out} is no preset's name; end it in .vital")
    predictor = Predictor.from_checkpoint(arguments.checkpoint, arguments.which, batch_size=1)
    clip = read_clip(sound, predictor.sample_rate, predictor.samples)
    answer = predictor.predict_with_confidence(clip, name=str(sound))
    with RenderPool(render_config(predictor)) as pool:
        matcher = Matcher(predictor, checkpoint_vocabulary(predictor), pool, config)
        (match,) = matcher.matches([answer], lambda _: clip, lambda _: out.stem)
        if isinstance(match, Failure):
            raise ValueError(match.error)
        rows = matcher.rows(match)
    files = write_match(match, out, predictor.sample_rate)
    if arguments.json:
        print(json.dumps(_as_json(match, rows, files)))
    else:
        _print(match, rows, files, predictor.step, arguments.checkpoint)
    return 0


def _print(match, rows: dict[str, float], files: list[Path], step: int, checkpoint: str) -> None:
    heard = "as --note says"
    if match.pitch is not None:
        pitch = match.pitch
        heard = f"heard {pitch.name} ({pitch.frequency_hz:.1f} Hz) with confidence {pitch.confidence:.2f}"
    print(f"{match.name}: played at note {match.note}, {heard}")
    if match.tuned_semitones:
        print(f"  transposed by {match.tuned_semitones:+.2f} semitones to be in tune")
    print(f"  {match.answer.summary()} ({checkpoint}, step {step})")
    for route in match.answer.routes[:5]:
        print(f"    {route.source} -> {route.destination} {route.amount:+.2f} (sure by {route.presence:.0%})")
    print(f"  MSS {_distance(match.mss_db)} from the sound")
    for meaning, distance in rows.items():
        print(f"      {_distance(distance)} {meaning}")
    print("  written: " + ", ".join(map(str, files)))


def _distance(mss_db: float) -> str:
    return "  none: silent" if math.isnan(mss_db) else f"{mss_db:6.2f} dB"


def _as_json(match, rows: dict[str, float], files: list[Path]) -> dict:
    sure = match.answer.confidence
    return {
        "sound": match.name,
        "files": [str(path) for path in files],
        "note": match.note,
        "pitch": None
        if match.pitch is None
        else {"hz": match.pitch.frequency_hz, "midi": match.pitch.midi, "confidence": match.pitch.confidence},
        "tuned_semitones": match.tuned_semitones,
        "mss_db": match.mss_db,
        "rows": rows,
        "routes": [route._asdict() for route in match.answer.routes],
        "menu_probability": sure.menu_probability,
        "spread_norm": sure.spread_norm,
    }
