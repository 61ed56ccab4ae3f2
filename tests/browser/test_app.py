"""The browser, driven by Textual's own pilot over a real run: its checkpoint, its sounds, the real engine."""

import asyncio
import json

import numpy as np
import pytest

from vjax.browser.app import PAGE, Browser
from vjax.browser.details import Details
from vjax.browser.help import HelpScreen
from vjax.browser.playback import PlaybackError, check_playback
from vjax.browser.session import open_session, render_pair, stored_mel
from vjax.browser.widgets import MelView, Sounds, Table
from vjax.data.layout import DatasetError
from vjax.data.reader import Reader
from vjax.data.store import open_dataset
from vjax.data.write_shard import write_shard
from vjax.inference.predict_many import validation_split
from vjax.training.saving import CheckpointError
from vjax.vital.preset import read_preset


@pytest.fixture
def browse(engine_run, tmp_path):
    """`browse(visit, dataset=None)`: runs the async `visit(app, pilot)` once the sounds are listed."""

    def run(visit, dataset=None):
        async def main():
            data = str(dataset or engine_run / "data")
            app = Browser(str(engine_run), data, out=tmp_path / "presets")
            async with app.run_test(size=(80, 24)) as pilot:
                await settle(app, pilot)
                await visit(app, pilot)
            return app

        return asyncio.run(main())

    return run


async def settle(app, pilot) -> None:
    await app.workers.wait_for_complete()
    await pilot.pause()


async def press(app, pilot, *keys) -> None:
    for key in keys:
        await pilot.press(key)
        await settle(app, pilot)


def rows(app, name) -> list[list[str]]:
    table = app.query_one(f"#{name}", Table)
    return [[cell.plain.strip() for cell in table.get_row_at(i)] for i in range(table.row_count)]


def summary(app) -> str:
    return str(app.query_one("#summary").render())


def messages(app) -> list[str]:
    return [notification.message for notification in app._notifications]


def playback_problem() -> str:
    """The reason why this machine cannot play sound; empty if it can."""
    try:
        check_playback()
    except PlaybackError as error:
        return str(error)
    return ""


@pytest.mark.slow
def test_browser_with_a_dataset_lists_its_sounds_and_follows_the_keys(browse):
    async def visit(app, pilot):
        listed = rows(app, "sounds")
        assert [row[:2] for row in listed] == [["0", "C3"], ["1", "G3"], ["2", "C4"], ["3", "E4"]]
        assert all(row[2].endswith("%") and row[3] == "" for row in listed)
        assert "all rows" in app.sub_title  # this checkpoint does not store a split
        assert not app.query_one(Sounds).loading
        seen = [summary(app)]
        for key in ("j", "right", "down", "k", "left"):
            await press(app, pilot, key)
            seen.append(summary(app))
        assert [line.partition(":")[0] for line in seen] == [
            "row 0, C3",
            "row 1, G3",
            "row 2, C4",
            "row 3, E4",
            "row 2, C4",
            "row 1, G3",
        ]
        await pilot.press("q")

    app = browse(visit)
    assert app.return_value is None
    assert app.return_code == 0


def test_browser_draws_the_prediction_only_after_rendering(browse):
    async def visit(app, pilot):
        target, prediction = app.query_one("#target", MelView), app.query_one("#prediction", MelView)
        assert "▀" in target.render().plain
        assert "r renders it" in prediction.render().plain
        await press(app, pilot, "r")
        assert "▀" in prediction.render().plain
        mss_db = rows(app, "sounds")[0][3]
        assert 0 < float(mss_db) < 80
        assert prediction.border_title == f"predicted, MSS {mss_db} dB"
        pair = app._pairs[0]
        assert pair.problems == ()
        assert pair.target.shape == pair.prediction.shape == (2, 17640)
        # A new render of the target gives the log-mel spectrogram that the dataset stores.
        stored = stored_mel(app._session, 0)
        first = app._predictions[0]
        prediction_of_target = first._replace(parameters=first.target)
        again = render_pair(app._session, app._pool, prediction_of_target)
        np.testing.assert_allclose(again.mel, stored, atol=1e-3)
        await press(app, pilot, "j")
        assert "r renders it" in prediction.render().plain
        await press(app, pilot, "k")
        assert "▀" in prediction.render().plain

    browse(visit)


@pytest.mark.slow
def test_browser_tables_follow_the_filter_and_difference_keys(browse):
    async def visit(app, pilot):
        every = rows(app, "parameters-table")
        assert {"osc_1", "lfo_8", "reverb"} <= {row[0] for row in every if not row[1]}
        await press(app, pilot, "d")
        fewer = rows(app, "parameters-table")
        assert 0 < len(fewer) < len(every) / 4
        assert [row[0] for row in fewer if "wavetable" in row[0]] == ["wavetable"]  # Init and Hollow
        await press(app, pilot, "d", "slash", *"sust", "enter")
        filtered = rows(app, "parameters-table")
        assert {row[0] for row in filtered if row[1]} == {"sustain"}
        assert len([row for row in filtered if row[1]]) == 6
        await press(app, pilot, "j")  # the keys work again: the filter field has lost the focus
        assert summary(app).startswith("row 1,")
        await press(app, pilot, "escape")
        assert len(rows(app, "parameters-table")) == len(every)
        await press(app, pilot, "2")
        assert [row[:3] for row in rows(app, "routes-table")][:1] == [["+ new", "lfo_1", "osc_1_level"]]
        await press(app, pilot, "3")
        menus = {row[0]: row for row in rows(app, "menus-table")}
        assert menus["osc_1_wavetable"][2] == "Hollow"
        assert menus["osc_1_wavetable"][4].startswith(("Hollow 100%", "Hollow 99%"))

    browse(visit)


def test_browser_play_keys_render_once_and_play_or_report_the_reason(browse):
    async def visit(app, pilot):
        await press(app, pilot, "t", "p", "space", "s")
        assert app._side == "target"  # space played the other side
        assert list(app._pairs) == [0]  # rendered once
        assert messages(app) == [playback_problem()] * 3 if playback_problem() else []

    browse(visit)


def test_browser_export_key_writes_presets_without_overwriting(browse, tmp_path):
    async def visit(app, pilot):
        await press(app, pilot, "j", "e", "e")
        folder = tmp_path / "presets"
        assert messages(app) == [f"written: {folder / name}" for name in ("row-000001.vital", "row-000001-2.vital")]
        preset = read_preset(folder / "row-000001.vital")
        assert preset.wavetables[0]["name"] == "Hollow"
        assert [(route.source, route.destination) for route in preset.routes if route] == [("lfo_1", "osc_1_level")]
        (tmp_path / "taken").write_text("a file where the folder should be")
        app._out = tmp_path / "taken"
        await press(app, pilot, "e")
        assert messages(app)[-1].startswith("not exported: ")

    browse(visit)


@pytest.mark.slow
def test_browser_on_small_and_large_screens_shows_all_widgets(browse):
    async def visit(app, pilot):
        widths = []
        for size in ((80, 24), (160, 50)):
            await pilot.resize_terminal(*size)
            await settle(app, pilot)
            for widget in (app.query_one(Sounds), *app.query(MelView), app.query_one(Details)):
                assert app.screen.region.contains_region(widget.region)
                assert widget.region.width >= 20
                assert widget.region.height >= 7
            table = app.query_one("#parameters-table", Table)
            assert table.virtual_size.width <= table.size.width  # nothing to scroll to
            widths.append(table.virtual_size.width)
        assert widths[0] < widths[1]
        await press(app, pilot, "question_mark")
        assert isinstance(app.screen, HelpScreen)
        await press(app, pilot, "escape")
        assert not isinstance(app.screen, HelpScreen)

    browse(visit)


@pytest.fixture
def long_dataset(engine_run, tmp_path):
    """The run's sounds, repeated in turn, more than one page."""
    info = open_dataset(engine_run / "data")
    samples = [Reader(info)[i % info.n] for i in range(PAGE + 10)]
    arrays = {
        "params/continuous": np.stack([sample.continuous for sample in samples]),
        "params/categorical": np.stack([sample.categorical for sample in samples]),
        "modulation/index": np.stack([sample.modulation.index for sample in samples]),
        "modulation/value": np.stack([sample.modulation.value for sample in samples]),
        "features/mel_spectrogram": np.stack([sample.mel for sample in samples]),
        "metadata/midi_note": np.stack([sample.midi_note for sample in samples]),
        "metadata/preset_hash": np.arange(len(samples)),
    }
    attributes = {"tier": 3, "mel": info.mel, "generator_version": "test", "render": info.render}
    write_shard(tmp_path / "long.h5", info.schema, arrays, attributes | {"catalog": info.catalog_json})
    return tmp_path / "long.h5"


def test_browser_near_the_end_of_the_list_predicts_the_next_page(browse, long_dataset):
    async def visit(app, pilot):
        assert len(rows(app, "sounds")) == PAGE
        app.action_sound(PAGE - 30)
        await settle(app, pilot)
        assert len(rows(app, "sounds")) == PAGE
        app.action_sound(29)
        async with asyncio.timeout(60):  # the worker of the next page starts some events later
            while len(rows(app, "sounds")) < PAGE + 10:
                await pilot.pause(0.02)
        await settle(app, pilot)
        assert [row[0] for row in rows(app, "sounds")] == [str(i) for i in range(PAGE + 10)]

    browse(visit, dataset=long_dataset)


def test_browser_with_unusable_checkpoint_or_dataset_exits_with_the_error(engine_run, tmp_path):
    async def open_and_wait(*arguments):
        app = Browser(*arguments)
        async with app.run_test() as pilot:
            while app.return_value is None:
                await pilot.pause(0.02)
        return app.return_value

    found = asyncio.run(open_and_wait(str(engine_run), str(tmp_path / "nowhere")))
    assert isinstance(found, DatasetError)
    assert "nowhere" in str(found)
    found = asyncio.run(open_and_wait(str(tmp_path), str(engine_run / "data")))
    assert isinstance(found, CheckpointError)
    with pytest.raises(ValueError, match="limit=-1"):
        open_session(engine_run, engine_run / "data", "best", -1)


def test_validation_split_with_and_without_run_settings_selects_the_rows(engine_run, long_dataset):
    session = open_session(engine_run, long_dataset, "best", 0)
    assert session.choice == "all rows"
    assert len(open_session(engine_run, long_dataset, "latest", 2).rows) == 2
    settings = {"data": {"val_fraction": 0.25}, "seed": 3}
    session.predictor.meta["settings"].update(json.loads(json.dumps(settings)))
    rows, choice = validation_split(session.predictor, session.reader)
    assert choice == "validation rows"
    assert len(rows) == round(0.25 * (PAGE + 10))
