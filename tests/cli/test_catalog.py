"""`vjax catalog build` and `show`."""

import gzip
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vjax.cli.main import main
from vjax.vital import table_spectra
from vjax.vital.collect import Limits, best_cover, collect, most_varied
from vjax.vital.default_vocabulary import default_vocabulary, read_vocabulary
from vjax.vital.lfo_shapes import standard_shapes
from vjax.vital.preset import read_preset
from vjax.vital.standard_tables import standard_catalog
from vjax.vital.vocabulary import Vocabulary, audible_lfos, audible_oscillators
from vjax.vital.wavetables import table_json

PEOPLE = Path(__file__).parents[1] / "data" / "presets"


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """A catalog of the presets alone, beside the init patch: all that differ."""
    path = tmp_path_factory.mktemp("catalog") / "new" / "mine.json.gz"
    command = ["catalog", "build", str(PEOPLE), "--start", "init", "--threshold-db", "0", "--shape-threshold", "0"]
    assert main([*command, "--out", str(path)]) == 0
    return path


def test_a_catalog_holds_every_table_and_shape_that_is_heard(mine, capsys):
    assert main(["catalog", "show", str(mine), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    built = read_vocabulary(mine)
    assert gzip.decompress(mine.read_bytes())
    presets = [read_preset(path) for path in sorted(PEOPLE.glob("*.vital"))]
    assert len(presets) == 5
    for one in presets:
        assert all(built.wavetables.find(one.wavetables[i]) is not None for i in audible_oscillators(one))
        assert all(built.lfo_shapes.find(one.lfo_shapes[i]) is not None for i in audible_lfos(one))
    for kind, entries in (("wavetables", built.wavetables), ("lfo_shapes", built.lfo_shapes)):
        names = [entry["name"] for entry in shown[kind]]
        assert tuple(names) == entries.names
        assert len(set(names)) == len(names) > 1
    assert len({entry["key"] for entry in shown["wavetables"]}) == len(shown["wavetables"])
    assert {"name", "author", "keyframes", "key"} <= set(shown["wavetables"][0])
    assert {"name", "points", "smooth"} <= set(shown["lfo_shapes"][0])


def test_show_as_text_and_as_a_picture(mine, tmp_path, capsys):
    picture = tmp_path / "new" / "mine.png"
    assert main(["catalog", "show", str(mine), "--picture", str(picture)]) == 0
    printed = capsys.readouterr().out
    built = read_vocabulary(mine)
    assert f"{len(built.wavetables)} wavetables\n" in printed
    assert f"{len(built.lfo_shapes)} LFO shapes\n" in printed
    assert all(f"{name:.32}" in printed for name in (*built.wavetables.names, *built.lfo_shapes.names))
    assert f"picture: {picture}" in printed
    with Image.open(picture) as image:
        assert np.asarray(image).std() > 10


def test_thresholds_take_in_less(mine, tmp_path, capsys):
    """With a wide threshold no entry sounds like an earlier one; entry 0 stays."""
    path = tmp_path / "coarse.json"
    command = ["catalog", "build", str(PEOPLE), "--start", "init", "--threshold-db", "6", "--shape-threshold", "0.9"]
    assert main([*command, "--out", str(path)]) == 0
    coarse, fine = read_vocabulary(path), read_vocabulary(mine)
    printed = capsys.readouterr().out
    assert f"{path}: {len(coarse.wavetables)} wavetables, {len(coarse.lfo_shapes)} LFO shapes, " in printed
    assert 1 < len(coarse.wavetables) < len(fine.wavetables)
    assert 1 == len(coarse.lfo_shapes) < len(fine.lfo_shapes)
    listened = table_spectra.with_spectra(coarse.wavetables).spectra
    apart = table_spectra.spectral_distance(listened[:, None], listened[None]).mean(-1)
    assert apart[~np.eye(len(listened), dtype=bool)].min() >= 6


@pytest.mark.parametrize(("select", "choose"), [("cover", best_cover), ("varied", most_varied)])
def test_limits(tmp_path, select, choose):
    shipped = default_vocabulary()
    init = Vocabulary(shipped.wavetables.chosen([0]), shipped.lfo_shapes.first(1))
    tables = collect([PEOPLE], init, Limits(table_threshold_db=0)).wavetables
    path = tmp_path / "few.json"
    command = ["catalog", "build", str(PEOPLE), "--start", "init", "--threshold-db", "0", "--select", select]
    assert main([*command, "--max-tables", "3", "--max-shapes", "1", "--out", str(path)]) == 0
    few = read_vocabulary(path)
    assert len(few.lfo_shapes) == 1
    assert few.wavetables.names == choose(tables, 3).names
    assert few.wavetables.tables[0] == shipped.wavetables.tables[0]
    assert best_cover(tables, 3).names != most_varied(tables, 3).names, "or this could not tell them apart"


def test_vitaltable_files_and_a_start(tmp_path, capsys):
    """A file that is no table is named and left out."""
    cycle = np.random.default_rng(0).normal(size=2048)
    (tmp_path / "Init.vitaltable").write_text(json.dumps(table_json("Init", cycle[None] / 5)))
    (tmp_path / "broken.vitaltable").write_text('{"groups": []}')
    path = tmp_path / "standard.json"
    assert main(["catalog", "build", str(tmp_path), "--start", "standard", "--out", str(path)]) == 0
    assert "left out: " in capsys.readouterr().out
    made = read_vocabulary(path)
    assert len(made.wavetables) == len(standard_catalog()) + 1
    assert len(made.lfo_shapes) == len(standard_shapes())
    assert made.wavetables.names[:-1] == standard_catalog().names
    assert made.wavetables.names[-1].startswith("Init #"), "the name is taken by the init saw"


def test_show_finds_the_catalog_of_a_dataset_and_of_a_checkpoint(engine_run, engine_vocabulary, capsys):
    for path in (engine_run / "data", engine_run / "data" / "shard-00000.h5", engine_run, engine_run / "checkpoints"):
        assert main(["catalog", "show", str(path), "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert [entry["name"] for entry in shown["wavetables"]] == list(engine_vocabulary.wavetables.names)
        assert [entry["name"] for entry in shown["lfo_shapes"]] == list(engine_vocabulary.lfo_shapes.names)


def test_the_shipped_catalog_in_a_process_of_its_own():
    result = subprocess.run([sys.executable, "-m", "vjax", "catalog", "show"], capture_output=True, text=True)
    assert (result.returncode, result.stderr) == (0, "")
    shipped = default_vocabulary()
    assert f"{len(shipped.wavetables)} wavetables\n     0  Init " in result.stdout
    assert f"{len(shipped.lfo_shapes)} LFO shapes\n     0  Triangle " in result.stdout


@pytest.mark.parametrize(
    "content",
    [
        "not JSON",
        "[]",
        "{}",
        '{"tables": []}',
        '{"tables": [{}]}',
        '{"tables": [{"groups": [{"components": [{"type": "Wave Source"}]}]}]}',
        '{"settings": {"wavetables": []}}',
        '{"tables": 3, "spectra": 4}',
    ],
)
def test_a_foreign_file_is_refused_in_one_line(content, tmp_path, capsys):
    for name in ("foreign.json", "foreign.txt"):
        (tmp_path / name).write_text(content)
        assert main(["catalog", "show", str(tmp_path / name)]) == 1
        printed, error = capsys.readouterr()
        assert printed == ""
        assert error.startswith(f"vjax catalog: {tmp_path / name} is no catalog of `vjax catalog build`: ")
        assert len(error.splitlines()) == 1


def test_a_foreign_shape_is_refused_in_one_line(engine_vocabulary, tmp_path, capsys):
    content = json.loads(engine_vocabulary.to_json_string())
    content["lfo_shapes"].append({"name": "no points"})
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert main(["catalog", "show", str(tmp_path / "a.json")]) == 1
    assert "LFO shape 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "{tmp}/empty", "--out", "a.json"], 1, "no .vitaltable and no .vital file that can be read in {tmp}"),
        (["build", "{tmp}/nowhere", "--out", "a.json"], 1, "there is nothing at {tmp}/nowhere"),
        (["build", "{tmp}/empty", "--out", "a.txt"], 2, "--out a.txt must end in .json or .json.gz"),
        (["show", "{tmp}/nowhere"], 1, "there is nothing at {tmp}/nowhere; give a file of `vjax catalog build`"),
        (["show", "{tmp}/empty"], 1, "{tmp}/empty holds no finished checkpoint"),
        (["show", "--picture", "a.nothing"], 2, "--picture a.nothing must end in .png"),
    ],
)
def test_what_cannot_be_is_one_line(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["catalog", *(text.format(tmp=tmp_path) for text in arguments)]) == code
    printed, error = capsys.readouterr()
    assert printed == ""
    assert error.startswith(f"vjax catalog: {message.format(tmp=tmp_path)}")
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_the_actions_teach_by_example_and_take_no_abbreviations(capsys):
    for action in ("build", "show"):
        with pytest.raises(SystemExit, match=r"^0$"):
            main(["catalog", action, "--help"])
        assert f"examples:\n  vjax catalog {action} " in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["catalog", "build", str(PEOPLE), "--ou", "x.json"])
    assert not Path("x.json").exists()
