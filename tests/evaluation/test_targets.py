"""Tests of the targets of an evaluation, and of their ids."""

from vjax.evaluation.targets import preset_tasks
from vjax.io.find_files import find_presets
from vjax.vital import preset as vital_preset
from vjax.vital.preset import write_preset

NOTE = 48


def test_preset_tasks_with_a_limit_are_the_first_of_a_larger_limit(preset_folder):
    files = find_presets(preset_folder)
    everything = [task.target.id for task in preset_tasks(files, preset_folder, NOTE)]
    assert len(set(everything)) == len(files) == 8
    assert everything != sorted(everything)
    for limit in (1, 3):
        assert [task.target.id for task in preset_tasks(files, preset_folder, NOTE, limit)] == everything[:limit]


def test_preset_tasks_with_similar_names_have_different_ids(tmp_path):
    for name in ("a/b c.vital", "a-b_c.vital", "A/b c.vital", "é:?.vital"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_preset(tmp_path / name, vital_preset.init())
    ids = {task.target.id for task in preset_tasks(find_presets(tmp_path), tmp_path, NOTE)}
    assert len({identity.casefold() for identity in ids}) == 4
    assert all(identity.replace("-", "").replace("_", "").isalnum() for identity in ids)
