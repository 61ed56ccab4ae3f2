"""Tests of TensorBoard files, which TensorBoard's own reader reads back."""

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from vjax.training.writer import Writer


def read(folder) -> EventAccumulator:
    events = EventAccumulator(str(folder), size_guidance={"audio": 0, "images": 0, "scalars": 0})
    events.Reload()
    return events


def test_writer_writes_scalars_sounds_and_images_for_tensorboard(tmp_path):
    with Writer(tmp_path) as writer:
        writer.scalars("train", {"loss": 1.5, "mod_loss": 0.25}, step=3)
        writer.audio("val/audio/0/target", np.sin(np.arange(8820) / 20)[None].repeat(2, 0), 44100, step=3)
        writer.image("val/audio/0/mel", np.random.default_rng(0).integers(0, 256, (16, 10, 3), np.uint8), step=3)
    events = read(tmp_path)
    assert [(e.step, e.value) for e in events.Scalars("train/loss")] == [(3, 1.5)]
    assert [(e.step, e.value) for e in events.Scalars("train/mod_loss")] == [(3, 0.25)]
    (sound,) = events.Audio("val/audio/0/target")
    assert sound.sample_rate == 44100
    assert sound.encoded_audio_string[:4] == b"RIFF"
    (image,) = events.Images("val/audio/0/mel")
    assert (image.width, image.height) == (10, 16)


def test_writer_of_a_resumed_run_discards_repeated_steps(tmp_path):
    with Writer(tmp_path) as writer:
        for step in (1, 2, 3):
            writer.scalars("train", {"loss": float(step)}, step)
    with Writer(tmp_path, first_step=2) as writer:
        writer.scalars("train", {"loss": 20.0}, 2)
    assert [(e.step, e.value) for e in read(tmp_path).Scalars("train/loss")] == [(1, 1.0), (2, 20.0)]


def test_writer_audio_above_full_scale_is_scaled_down(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    import io

    with Writer(tmp_path) as writer:
        writer.audio("loud", np.linspace(-2, 2, 4410)[None], 44100, step=0)
    (sound,) = read(tmp_path).Audio("loud")
    audio, _ = soundfile.read(io.BytesIO(sound.encoded_audio_string))
    assert audio[-1] == pytest.approx(1.0, abs=1e-3)
    assert audio[3 * len(audio) // 4] == pytest.approx(0.5, abs=1e-2)


def test_writer_line_is_printed_and_appended_to_the_log(tmp_path, capsys):
    for first_step in (0, 4):
        with Writer(tmp_path / "tensorboard", first_step, log=tmp_path / "train.log") as writer:
            writer.line(f"steps: {first_step}")
            writer.line("quiet", echo=False)
    assert capsys.readouterr().out == "steps: 0\nsteps: 4\n"
    lines = (tmp_path / "train.log").read_text().splitlines()
    assert [line[20:] for line in lines] == ["steps: 0", "quiet", "steps: 4", "quiet"]


def test_writer_that_is_not_enabled_writes_nothing(tmp_path, capsys):
    with Writer(tmp_path / "tensorboard", first_step=3, enabled=False, log=tmp_path / "train.log") as writer:
        writer.scalars("train", {"loss": 1.5}, step=3)
        writer.line("steps: 3")
        writer.text("config", "{}", 3)
        writer.flush()
    assert not list(tmp_path.iterdir())
    assert capsys.readouterr().out == ""


def test_writer_onto_a_full_disk_raises_and_does_not_wait(tmp_path, file_size_limit):
    """The queue of its thread holds 10 entries by default. When the thread had ended, the eleventh waited for ever."""

    def write() -> None:
        for step in range(100):
            writer.scalars("train", {"loss": 1.0}, step)
            writer.flush()

    with Writer(tmp_path) as writer, file_size_limit(300), pytest.raises(OSError, match="File too large") as found:
        write()
    assert found.value.filename == str(tmp_path)


def test_writer_line_onto_a_full_disk_names_the_file(tmp_path, file_size_limit):
    writer = Writer(tmp_path, log=tmp_path / "train.log")
    with writer, file_size_limit(10), pytest.raises(OSError, match="File too large") as found:
        writer.line("a line")
    assert found.value.filename == str(tmp_path / "train.log")
