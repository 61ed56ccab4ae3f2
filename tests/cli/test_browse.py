"""`vjax browse`: its errors. The browser itself is tested in tests/browser."""

import pytest

from vjax.cli.main import main


def test_browse_without_a_dataset_is_wrong_usage(capsys):
    with pytest.raises(SystemExit, match=r"^2$"):
        main(["browse"])
    assert "--dataset" in capsys.readouterr().err


def test_browse_with_a_missing_dataset_fails_in_one_line(tmp_path, capsys):
    assert main(["browse", "--dataset", str(tmp_path / "nowhere")]) == 1
    error = capsys.readouterr().err
    assert str(tmp_path / "nowhere") in error
    assert len(error.splitlines()) == 1


def test_browse_with_a_folder_without_a_checkpoint_fails_in_one_line(tmp_path, capsys):
    assert main(["browse", "--checkpoint", str(tmp_path), "--dataset", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert str(tmp_path) in error
    assert len(error.splitlines()) == 1
