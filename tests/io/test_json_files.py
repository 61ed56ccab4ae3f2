import json
import math

import numpy as np
import pytest

from vjax.io.json_files import number, short_number, write_json


def test_write_json_with_an_invalid_number_keeps_the_file_that_was_there(tmp_path):
    write_json(tmp_path / "a.json", {"é": [1, None]})
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": [1, None]}
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "a.json", {"x": math.inf})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == {"é": [1, None]}
    write_json(tmp_path / "a.json", {"x": math.inf}, allow_nan=True)
    assert json.loads((tmp_path / "a.json").read_text()) == {"x": math.inf}


@pytest.mark.parametrize("convert", [number, short_number])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, np.float32("nan")])
def test_numbers_that_json_lacks_are_none(convert, value):
    assert convert(value) is None


def test_short_number_has_six_digits_and_number_has_all():
    third = np.float32(1 / 3)
    assert (short_number(third), number(third)) == (0.333333, float(third))
    assert short_number(123456789.0) == 123457000.0
    assert type(number(third)) is type(short_number(third)) is float
