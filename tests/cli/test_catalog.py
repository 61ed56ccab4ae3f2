"""`vjax catalog build` and `show`."""

import gzip
import json
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

PRESETS = Path(__file__).parents[1] / "data" / "presets"


@pytest.fixture(scope="module")
def built_catalog(tmp_path_factory):
    """A catalog of the init patch and of all different entries of the presets."""
    path = tmp_path_factory.mktemp("catalog") / "new" / "built.json.gz"
    command = ["catalog", "build", str(PRESETS), "--start", "init", "--threshold-db", "0", "--shape-threshold", "0"]
    assert main([*command, "--out", str(path)]) == 0
    return path


def test_catalog_build_from_presets_contains_every_audible_table_and_shape(built_catalog, capsys):
    assert main(["catalog", "show", str(built_catalog), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    built = read_vocabulary(built_catalog)
    assert gzip.decompress(built_catalog.read_bytes())
    presets = [read_preset(path) for path in sorted(PRESETS.glob("*.vital"))]
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


def test_catalog_show_with_an_image_prints_the_entries_and_draws_them(built_catalog, tmp_path, capsys):
    path = tmp_path / "new" / "catalog.png"
    assert main(["catalog", "show", str(built_catalog), "--image", str(path)]) == 0
    printed = capsys.readouterr().out
    built = read_vocabulary(built_catalog)
    assert f"{len(built.wavetables)} wavetables\n" in printed
    assert f"{len(built.lfo_shapes)} LFO shapes\n" in printed
    assert all(f"{name:.32}" in printed for name in (*built.wavetables.names, *built.lfo_shapes.names))
    assert f"image: {path}" in printed
    with Image.open(path) as image:
        assert np.asarray(image).std() > 10


def test_catalog_show_with_the_old_flag_picture_prints_a_notice(capsys):
    assert main(["catalog", "show", "--picture", "a.nothing"]) == 2
    assert "--picture is now --image\n" in capsys.readouterr().err


def test_catalog_build_with_wide_thresholds_keeps_fewer_entries(built_catalog, tmp_path, capsys):
    """With a wide threshold, no entry sounds like an earlier one. Entry 0 stays."""
    path = tmp_path / "coarse.json"
    command = ["catalog", "build", str(PRESETS), "--start", "init", "--threshold-db", "6", "--shape-threshold", "0.9"]
    assert main([*command, "--out", str(path)]) == 0
    coarse, fine = read_vocabulary(path), read_vocabulary(built_catalog)
    printed = capsys.readouterr().out
    assert f"{path}: {len(coarse.wavetables)} wavetables, {len(coarse.lfo_shapes)} LFO shapes, " in printed
    assert 1 < len(coarse.wavetables) < len(fine.wavetables)
    assert 1 == len(coarse.lfo_shapes) < len(fine.lfo_shapes)
    spectra = table_spectra.with_spectra(coarse.wavetables).spectra
    distances_db = table_spectra.spectral_distance(spectra[:, None], spectra[None]).mean(-1)
    assert distances_db[~np.eye(len(spectra), dtype=bool)].min() >= 6


@pytest.mark.parametrize(
    ("select", "choose"), [("cover", best_cover), pytest.param("varied", most_varied, marks=pytest.mark.slow)]
)
def test_catalog_build_with_limits_keeps_the_selected_entries(tmp_path, select, choose):
    shipped = default_vocabulary()
    init = Vocabulary(shipped.wavetables.chosen([0]), shipped.lfo_shapes.first(1))
    tables = collect([PRESETS], init, Limits(table_threshold_db=0)).wavetables
    path = tmp_path / "few.json"
    command = ["catalog", "build", str(PRESETS), "--start", "init", "--threshold-db", "0", "--select", select]
    assert main([*command, "--max-tables", "3", "--max-shapes", "1", "--out", str(path)]) == 0
    few = read_vocabulary(path)
    assert len(few.lfo_shapes) == 1
    assert few.wavetables.names == choose(tables, 3).names
    assert few.wavetables.tables[0] == shipped.wavetables.tables[0]
    assert best_cover(tables, 3).names != most_varied(tables, 3).names, "this test needs two different selections"


def test_catalog_build_from_vitaltable_files_adds_to_the_standard_catalog(tmp_path, capsys):
    """A file that is not a table is named and left out."""
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
    assert made.wavetables.names[-1].startswith("Init #"), "the init saw has this name already"


def test_catalog_show_of_a_dataset_or_a_checkpoint_prints_its_catalog(engine_run, engine_vocabulary, capsys):
    for path in (engine_run / "data", engine_run / "data" / "shard-00000.h5", engine_run, engine_run / "checkpoints"):
        assert main(["catalog", "show", str(path), "--json"]) == 0
        shown = json.loads(capsys.readouterr().out)
        assert [entry["name"] for entry in shown["wavetables"]] == list(engine_vocabulary.wavetables.names)
        assert [entry["name"] for entry in shown["lfo_shapes"]] == list(engine_vocabulary.lfo_shapes.names)


def test_catalog_show_of_the_shipped_model_prints_its_catalog(capsys):
    """It is another one than the default catalog, as the help states."""
    assert main(["catalog", "show", "shipped", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["wavetables"]
    assert len(shown) > len(default_vocabulary().wavetables)
    with pytest.raises(SystemExit):
        main(["catalog", "show", "--help"])
    text = capsys.readouterr().out
    assert "the default catalog, from which generation begins" in text
    assert "vjax catalog show shipped " in text
    assert "the shipped one" not in text


def test_catalog_show_prints_the_default_catalog(capfd):
    assert main(["catalog", "show"]) == 0
    printed = capfd.readouterr()
    assert printed.err == ""
    shipped = default_vocabulary()
    assert f"{len(shipped.wavetables)} wavetables\n     0  Init " in printed.out
    assert f"{len(shipped.lfo_shapes)} LFO shapes\n     0  Triangle " in printed.out


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("not JSON", "line 1 is not JSON"),
        ("[]", "it has no `tables`"),
        ("{}", "it has no `tables`"),
        ('{"tables": []}', "`tables` must be a list of at least one wavetable"),
        ('{"tables": [{}]}', "wavetable 0"),
        ('{"tables": [{"groups": [{"components": [{"type": "Unknown Source"}]}]}]}', "wavetable 0"),
        ('{"settings": {"wavetables": []}}', "it has no `tables`"),
        ('{"tables": 3, "spectra": 4}', "its `spectra` cannot be read"),
        ("\x1f\x8b", "it is damaged, or not JSON"),
        (100_000 * "[", "it is damaged, or not JSON"),
    ],
)
def test_catalog_show_of_a_foreign_file_fails_in_one_line(content, reason, tmp_path, capsys):
    for name in ("foreign.json", "foreign.txt"):
        (tmp_path / name).write_bytes(content.encode("latin-1"))
        assert main(["catalog", "show", str(tmp_path / name)]) == 1
        printed, error = capsys.readouterr()
        assert printed == ""
        assert error.startswith(f"vjax catalog: {tmp_path / name} is not a catalog of `vjax catalog build`: ")
        assert reason in error
        assert error.endswith("; give a file that this command wrote\n")
        assert len(error.splitlines()) == 1


def test_catalog_show_of_an_invalid_lfo_shape_names_it(engine_vocabulary, tmp_path, capsys):
    content = json.loads(engine_vocabulary.to_json_string())
    content["lfo_shapes"].append({"name": "no points"})
    (tmp_path / "a.json").write_text(json.dumps(content))
    assert main(["catalog", "show", str(tmp_path / "a.json")]) == 1
    assert "LFO shape 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["build", "{tmp}/empty", "--out", "a.json"], 1, "no readable .vitaltable or .vital file in {tmp}"),
        (["build", "{tmp}/nowhere", "--out", "a.json"], 1, "there is nothing at {tmp}/nowhere"),
        (["build", "{tmp}/empty", "--out", "a.txt"], 2, "--out a.txt must end in .json or .json.gz"),
        (["show", "{tmp}/nowhere"], 1, "there is nothing at {tmp}/nowhere; give a file of `vjax catalog build`"),
        (["show", "{tmp}/empty"], 1, "{tmp}/empty contains no finished checkpoint"),
        (["show", "--image", "a.nothing"], 2, "--image a.nothing must end in .png"),
    ],
)
def test_catalog_with_invalid_paths_or_flags_fails_in_one_line(tmp_path, monkeypatch, capsys, arguments, code, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    assert main(["catalog", *(text.format(tmp=tmp_path) for text in arguments)]) == code
    printed, error = capsys.readouterr()
    assert printed == ""
    assert error.startswith(f"vjax catalog: {message.format(tmp=tmp_path)}")
    assert len(error.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_catalog_actions_print_examples_and_reject_abbreviated_flags(capsys):
    for action in ("build", "show"):
        with pytest.raises(SystemExit, match=r"^0$"):
            main(["catalog", action, "--help"])
        assert f"examples:\n  vjax catalog {action} " in capsys.readouterr().out
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["catalog", "build", str(PRESETS), "--ou", "x.json"])
    assert not Path("x.json").exists()
