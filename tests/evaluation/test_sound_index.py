"""Tests of the classes, known notes and takes of sound files."""

from pathlib import Path

import pytest

from vjax.evaluation.sound_index import sound_files, takes_digest

NAMES = ("a.wav", "drums/kicks/b.wav", "drums/c.wav", "keys/d.wav")


@pytest.fixture
def folder(tmp_path):
    for name in NAMES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def described(folder, **settings):
    return {file.name: file for file in sound_files([folder / name for name in NAMES], folder, **settings)}


def test_sound_files_without_an_index_have_the_first_subfolder_as_class(folder):
    found = described(folder)
    assert [found[name].sound_class for name in NAMES] == ["", "drums", "drums", "keys"]
    assert {(file.known_note, file.takes) for file in found.values()} == {(None, ())}
    assert takes_digest(list(found.values())) is None


@pytest.mark.parametrize("given", [False, True])
def test_sound_files_with_an_index_have_its_classes_notes_and_takes(folder, given):
    path = folder / ("about.csv" if given else "INDEX.csv")
    path.write_text(
        "file,class,source,known_midi_note,take_of\n"
        'a.wav,synth lead,"x, y",A3,\n'
        "drums/c.wav,snare,,,drums/kicks/b.wav\n"
        "keys/d.wav,keys,,66,drums/kicks/b.wav\n"
        "elsewhere.wav,keys,,1,a.wav\n",
        encoding="utf-8-sig",  # as a spreadsheet writes it
    )
    found = described(folder, index=path if given else None)
    assert [found[name].sound_class for name in NAMES] == ["synth lead", "drums", "snare", "keys"]
    assert [found[name].known_note for name in NAMES] == [57, None, None, 66]
    others = {name: [path.relative_to(folder).as_posix() for path in found[name].takes] for name in NAMES}
    assert others == {
        "a.wav": [],
        "drums/kicks/b.wav": ["drums/c.wav", "keys/d.wav"],
        "drums/c.wav": ["drums/kicks/b.wav", "keys/d.wav"],
        "keys/d.wav": ["drums/kicks/b.wav", "drums/c.wav"],
    }


def test_sound_files_with_a_group_name_are_takes_of_each_other(folder):
    (folder / "INDEX.csv").write_text("file,class,take_of\na.wav,piano,soft C4\nkeys/d.wav,piano,soft C4\n")
    found = described(folder)
    assert (found["a.wav"].takes, found["keys/d.wav"].takes) == ((folder / "keys/d.wav",), (folder / "a.wav",))
    assert found["drums/c.wav"].takes == ()
    first = takes_digest(list(found.values()))
    (folder / "INDEX.csv").write_text("file,class,take_of\na.wav,piano,a\ndrums/c.wav,piano,a\n")
    assert takes_digest(list(described(folder).values())) not in (first, None)


def test_sound_files_of_one_file_read_the_index_beside_it(folder):
    (folder / "INDEX.csv").write_text("file,class,known_midi_note\nb.wav,x,1\na.wav,lead,60\n")
    (file,) = sound_files([folder / "a.wav"], folder / "a.wav")
    assert (file.name, file.sound_class, file.known_note) == ("a.wav", "lead", 60)


def test_sound_files_ignore_the_index_of_matches(folder):
    """`vjax match` writes index.csv beside its presets."""
    (folder / "index.csv").write_text("sound,preset\na.wav,a.vital\n")
    if (folder / "INDEX.csv").exists():
        pytest.skip("the file system ignores case, so this index has the other name too")
    assert described(folder)["keys/d.wav"].sound_class == "keys"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,class\n", "has no column 'file'; expected the columns file and class"),
        ("file\na.wav\n", "has no column 'class'"),
        ("", "has no column 'file'"),
        ("file,class,known_midi_note\na.wav,x,200\n", "line 2: known_midi_note: '200' is MIDI note 200; notes go from"),
        ("file,class\na.wav,x\na.wav,y\n", "line 3 repeats the file 'a.wav'; give each file one line"),
        ("file,class\nA.WAV,x\n", "contains none of the 4 sounds; its column 'file' has for example 'A.WAV', expected"),
        (b"file,class\n\xff,x\n", "is not a CSV file in UTF-8"),
    ],
)
def test_sound_files_with_an_invalid_index_raise_and_name_it(folder, text, message):
    path = Path(folder / "INDEX.csv")
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(ValueError, match=r"INDEX\.csv") as raised:
        described(folder)
    assert message in str(raised.value)


def test_sound_files_with_a_missing_index_raise(folder):
    with pytest.raises(ValueError, match=r"there is no file .*none\.csv; give a CSV file"):
        described(folder, index=folder / "none.csv")
