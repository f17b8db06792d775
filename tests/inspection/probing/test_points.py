from collections import namedtuple
from types import SimpleNamespace

import pandas as pd
import pytest

from lol_lightning.exceptions import DataError
from lol_lightning.inspection.probing._points import TextPoints

Point = namedtuple("Point", ["text", "likes"])


@pytest.mark.parametrize(
    ("point", "expected"),
    [
        (SimpleNamespace(text="a", likes=1), SimpleNamespace(text="b", likes=1)),
        ({"text": "a", "likes": 1}, {"text": "b", "likes": 1}),
        (Point("a", 1), Point("b", 1)),
        ("a", "b"),
    ],
)
def test_a_copy_holds_the_new_text_and_the_point_keeps_its_own(point, expected):
    points = TextPoints([point])
    assert points.with_text(0, "b") == expected
    assert points.texts == ["a"]
    assert points.with_text(0, "a") == point


def test_rows_of_a_frame_are_series_with_their_own_index():
    frame = pd.DataFrame({"text": ["a", "c"], "likes": [1, 2]}, index=[10, 20])
    points = TextPoints(frame)
    row = points.with_text(1, "b")
    assert isinstance(row, pd.Series)
    assert (row.name, row.text, row["likes"]) == (20, "b", 2)
    assert points.with_text(1, "d").text == "d"
    assert frame.text.tolist() == ["a", "c"]


def test_a_missing_text_is_empty():
    assert TextPoints(pd.DataFrame({"text": ["a", None, float("nan")]})).texts == ["a", "", ""]


def test_a_missing_column_is_named():
    with pytest.raises(DataError, match=r"'comment'.*\['text'\]"):
        TextPoints(pd.DataFrame({"text": ["a"]}), "comment")
    with pytest.raises(DataError, match="data point 1"):
        TextPoints([SimpleNamespace(text="a"), SimpleNamespace()])
