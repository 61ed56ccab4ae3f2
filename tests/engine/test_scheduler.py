"""Tests of the scheduler without a cluster. Tests with a cluster are in test_ray_pools.py."""

import subprocess
import sys

import pytest

from vjax.engine.config import RenderConfig
from vjax.engine.live import LivePool
from vjax.engine.pool import RenderPool
from vjax.engine.scheduler import open_live_pool, open_render_pool, scheduler_session

SHORT = RenderConfig(seconds=0.2, note_s=0.1)


def test_open_pools_with_local_return_the_local_pools():
    with open_render_pool(SHORT, 1) as fresh, open_live_pool(SHORT, 1) as live:
        assert type(fresh) is RenderPool
        assert type(live) is LivePool
        assert (fresh.config, fresh.workers, live.workers) == (SHORT, 1, 1)


def test_importing_scheduler_does_not_import_ray():
    code = "import sys, vjax.data.generate, vjax.search.refine, vjax.engine.scheduler; print('ray' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout == "False\n"


def test_scheduler_session_without_ray_installed_names_the_extra(monkeypatch):
    monkeypatch.delitem(sys.modules, "vjax.engine.ray_pools", raising=False)
    monkeypatch.setitem(sys.modules, "ray", None)  # as if it were not installed
    with (
        pytest.raises(ValueError, match=r'needs Ray; install it with: pip install "vjax\[cluster\]"'),
        scheduler_session("ray"),
    ):
        pass


def test_scheduler_session_with_an_unknown_scheduler_is_an_error():
    with pytest.raises(ValueError, match="scheduler='spark'; choose 'local' or 'ray'"), scheduler_session("spark"):
        pass


def test_scheduler_session_with_a_wrong_address_names_the_address(monkeypatch):
    monkeypatch.setenv("RAY_ADDRESS", "nowhere")
    with (
        pytest.raises(ConnectionError, match=r"no Ray cluster responds at RAY_ADDRESS=nowhere .*RAY_ADDRESS=local"),
        scheduler_session("ray"),
    ):
        pass
