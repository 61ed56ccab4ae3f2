"""`vjax diagnose`, with a real run's checkpoint and its data."""

import json

from vjax.cli.main import main


def test_diagnose_prints_scores_beside_those_of_constants(engine_run, capsys):
    command = ["diagnose", "--checkpoint", str(engine_run), "--dataset", str(engine_run / "data")]
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "step 3: 4 sounds, all rows" in printed
    for what in ("knobs: mean |error|", "menus: accuracy", "routes: F1", "menus furthest below"):
        assert what in printed
    assert main([*command, "--limit", "2", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["sounds"], found["rows"]) == (2, "all rows")
    assert 0 <= found["menus_above"] <= 1
    assert all(menu["counted"] <= 2 for menu in found["menus"])
    assert found["routes"]["recall"] <= 1


def test_diagnose_with_a_missing_checkpoint_names_it(tmp_path, capsys):
    assert main(["diagnose", "--checkpoint", str(tmp_path / "none"), "--dataset", str(tmp_path)]) == 1
    assert f"--checkpoint {tmp_path / 'none'}: there is no checkpoint folder" in capsys.readouterr().err
