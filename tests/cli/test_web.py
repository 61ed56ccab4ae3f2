"""`vjax web`: its errors. The page itself is tested in tests/web."""

import socket
import subprocess
import sys

import pytest

from vjax.cli.main import main


def test_web_without_gradio_names_the_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "gradio", None)
    monkeypatch.delitem(sys.modules, "vjax.web.serve", raising=False)
    assert main(["web"]) == 1
    error = capsys.readouterr().err
    assert "needs gradio; install it with: pip install 'vjax[web]'" in error


def test_web_with_a_missing_folder_fails_in_one_line(engine_run, tmp_path, capsys):
    command = ["web", "--checkpoint", str(engine_run), "--port", "0"]
    assert main([*command, "--vital-folder", str(tmp_path / "no")]) == 1
    error = capsys.readouterr().err
    assert f"{tmp_path / 'no'} is not a folder" in error
    assert len(error.splitlines()) == 1


@pytest.mark.slow
def test_web_with_a_port_in_use_names_the_flag(engine_run):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "vjax", "web", "--checkpoint", str(engine_run), "--port", port]
        done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be used" in done.stderr
    assert "give another --port" in done.stderr
