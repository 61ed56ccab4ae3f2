"""`--config` and its overrides."""

import subprocess
import sys
from pathlib import Path

import pytest

from vjax.cli.command import UsageError, command_parser
from vjax.cli.recipe import SETTINGS_HELP, TIERS, add_config_flag, parse_arguments, read_config
from vjax.training.config import VARIANTS, base_config

ROOT = Path(__file__).parents[2]


def parse(*argv: str):
    """(arguments, overrides) of a command with --config and --n."""
    parser = command_parser("x", "", "")
    add_config_flag(parser, "tier3:smoke")
    parser.add_argument("--n", type=int)
    return parse_arguments(parser, [*argv])


def configured(*argv: str):
    arguments, overrides = parse(*argv)
    return read_config(arguments.config, overrides)


@pytest.mark.parametrize("tier", TIERS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_read_config_of_a_named_recipe_equals_its_file(tier, variant):
    suffix = f":{variant}" if variant else ""
    named = read_config(f"{tier}{suffix}", [])
    assert named == read_config(f"{ROOT / 'configs' / tier}.py{suffix}", [])
    assert named.tier == TIERS[tier]


def test_read_config_accepts_overrides_as_one_argument_or_two():
    one = configured("--config.loss.modulation_weight=0.5", "--config.train.epochs=7", "--n=3", "--config=tier2:demo")
    two = configured(
        "--config.loss.modulation_weight", "0.5", "--n", "3", "--config.train.epochs", "7", "--config", "tier2:demo"
    )
    assert one == two
    assert (one.tier, one.loss.modulation_weight, one.train.epochs) == (2, 0.5, 7)
    assert one.data == read_config("tier2:demo", []).data


def test_read_config_with_overrides_parses_every_type():
    config = configured(
        "--config.generation.store_audio",
        "true",
        "--config.generation.notes=40,41",
        "--config.data.path=my sounds=all",
        "--config.generation.silence_db",
        "-1e1",
        "--config.seed",
        "4",
    )
    assert config.generation.store_audio is True
    assert config.generation.notes == (40, 41)
    assert config.data.path == "my sounds=all"
    assert config.generation.silence_db == -10
    assert config.seed == 4
    assert configured("--config.generation.store_audio").generation.store_audio is True
    assert configured("--noconfig.generation.store_audio").generation.store_audio is False


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--config.loss.modulation_wieght=0.5"], 'Did you mean "modulation_weight"'),
        (["--config.lss.modulation_weight=0.5"], 'Did you mean "loss"'),
        (["--config.xyzzy=1"], "xyzzy is not a setting; the sections are .*generation.*train"),
        (["--config.train.epochs=many"], "^--config.train.epochs: expected an integer, got 'many'$"),
        (["--config.seed=1", "--config.model.width=1.5"], "^--config.model.width: expected an integer, got '1.5'$"),
        (["--config.optimizer.learning_rate=x"], "learning_rate: expected a number, got 'x'$"),
        (["--config.generation.store_audio=maybe"], "store_audio: expected true or false, got 'maybe'$"),
        (["--config.train.epochs=0"], "train.epochs=0; it must be at least 1"),
        (["--config.model.compute_dtype=fp16"], "model.compute_dtype='fp16'; choose float32 or bfloat16"),
        (["--config.data.val_fraction=1.5"], "data.val_fraction=1.5; it must lie between 0 and 1"),
        (["--config.generation.note_range=36"], r"generation.note_range=\(36,\); expected 2 integers"),
        (["--config.seed=-4"], "seed=-4; it must lie in"),
        (["--config.train.epochs"], "Missing value for flag --config.train.epochs"),
        (["--config", "teir3:demo"], "no recipe or file 'teir3'; .* did you mean tier3"),
        (["--config", "tier3:dmeo"], "'dmeo' does not exist.*did you mean 'demo'"),
        (["--config", "configs/tier9.py"], "no recipe or file 'configs/tier9.py'; choose tier1, tier2, tier3 or"),
    ],
)
def test_read_config_with_an_invalid_setting_fails_in_one_line_with_a_hint(argv, message):
    with pytest.raises(UsageError, match=message) as caught:
        configured(*argv)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("argv", [["--nn", "3"], ["--config.seed", "1", "2"], ["positional"], ["--config.seed=1", "2"]])
def test_parse_arguments_with_unknown_arguments_is_wrong_usage(argv, capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        parse(*argv)
    assert f"unrecognized arguments: {' '.join(argv) if argv[0] == '--nn' else argv[-1]}\n" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", r"no function get_config\(variant\)"),
        (
            "import ml_collections\ndef get_config(): return ml_collections.ConfigDict({'data': {}})",
            "returns no .*generation",
        ),
        ("def get_config(variant): raise ValueError(f'no {variant} here')", "no own here"),
    ],
)
def test_read_config_of_a_file_that_is_not_a_recipe_names_it(tmp_path, text, message):
    path = tmp_path / "own.py"
    path.write_text(text)
    with pytest.raises(UsageError, match=rf"--config .*own\.py.*: .*{message}"):
        read_config(f"{path}:own" if "variant" in text else str(path), [])


def test_settings_help_names_every_section():
    config = base_config(3)
    sections = [name for name in config if hasattr(config[name], "keys")]
    assert sections
    assert all(name in SETTINGS_HELP for name in sections)


def test_read_config_in_a_new_process_needs_no_file_and_configures_absl(tmp_path):
    """In a new process, where no test has changed absl's flags, and outside the repository with its configs/."""
    code = """
from absl import flags, logging
from vjax.cli.recipe import read_config
read_config("tier1", ["--config.seed=3"])
print(flags.FLAGS.is_parsed(), logging.get_verbosity() == logging.WARNING)
"""
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert result.stdout == "True True\n", result.stderr


def test_train_with_an_unknown_setting_prints_one_line_and_returns_2(tmp_path):
    command = [sys.executable, "-m", "vjax", "train", "--config.loss.modulation_wieght=0.5"]
    result = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert result.returncode == 2
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.startswith("vjax train: a --config flag is wrong: ")
    assert not list(tmp_path.iterdir())
