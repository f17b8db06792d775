"""Data points of every kind are read, copied and compared alike."""

import dataclasses
from collections import namedtuple
from types import MappingProxyType, SimpleNamespace

import attrs
import numpy as np
import pandas as pd
import pytest
from spark_rows import spark_row

from lol_lightning.exceptions import DataError
from lol_lightning.lfs.point_copies import private_copy, same_point
from lol_lightning.lfs.points import field_names, read_field, with_fields


@dataclasses.dataclass(frozen=True)
class Frozen:
    text: str
    tokens: list


@dataclasses.dataclass(frozen=True, slots=True)
class FrozenSlots:
    text: str
    tokens: list


@attrs.frozen
class FrozenAttrs:
    text: str
    tokens: list


class Strict:
    """As pydantic's models: fields are checked where they are set, and nothing else can be set."""

    def __init__(self, text, tokens):
        self.__dict__.update(text=text, tokens=tokens)

    def __setattr__(self, name, value):
        raise TypeError(f"{name} is frozen")


Named = namedtuple("Named", "text tokens")
MAKERS = {
    "series": lambda **values: pd.Series(values),
    "dict": dict,
    "proxy": lambda **values: MappingProxyType(values),
    "named tuple": Named,
    "spark": spark_row,
    "namespace": SimpleNamespace,
    "frozen": Frozen,
    "frozen slots": FrozenSlots,
    "attrs": FrozenAttrs,
    "strict": Strict,
}


@pytest.fixture(params=MAKERS)
def point(request):
    return MAKERS[request.param](text="a b", tokens=["a", "b"])


def test_fields_are_read_by_name(point):
    assert field_names(point) == ["text", "tokens"]
    assert read_field(point, "text") == "a b"


def test_a_field_is_replaced_in_a_copy_of_the_same_type(point):
    changed = with_fields(point, {"text": "c"})
    assert type(changed) is type(point)
    assert (read_field(changed, "text"), read_field(changed, "tokens")) == ("c", ["a", "b"])
    assert read_field(point, "text") == "a b"


def test_a_private_copy_shares_no_list(point):
    copied = private_copy(point)
    assert type(copied) is type(point)
    assert same_point(point, copied)
    read_field(copied, "tokens").pop()
    assert read_field(point, "tokens") == ["a", "b"]
    assert not same_point(point, copied)


@pytest.mark.parametrize("name", ["series", "namespace"])
def test_a_new_attribute_is_a_change(name):
    point = MAKERS[name](text="a b")
    copied = private_copy(point)
    copied.note = 1
    assert not same_point(point, copied)


@pytest.mark.parametrize(
    "values",
    [
        {"text": "a", "day": pd.Timestamp("2020-01-01"), "number": np.nan, "missing": None, "na": pd.NA},
        {"tokens": {"a"}, "counts": {"a": [1, 2]}, "vector": np.array([1.0, np.nan]), "model": object()},
        {"nested": (["a"], {"b": ["c"]}), "texts": np.array(["a", None], dtype=object)},
        {"day": pd.Timestamp("2020-01-01"), "other": pd.Timestamp("2021-01-01")},
        {"number": 1.5, "other": np.nan},
    ],
)
@pytest.mark.parametrize("maker", [lambda values: pd.DataFrame([values]).iloc[0], dict, lambda v: SimpleNamespace(**v)])
def test_a_copy_that_nobody_touched_is_the_same(values, maker):
    point = maker(values)
    assert same_point(point, private_copy(point))


def test_plain_tuples_and_lists_are_read_by_position():
    assert read_field(("a", 3), 0) == "a"
    assert with_fields(("a", 3), {0: "b"}) == ("b", 3)
    assert with_fields(["a", 3], {0: "b"}) == ["b", 3]


def test_a_point_that_cannot_be_changed_is_named():
    with pytest.raises(DataError, match=r"of type int cannot be copied with another 'text'.*pass a DataFrame"):
        with_fields(3, {"text": "a"})
