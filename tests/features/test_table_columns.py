"""Which columns of a table become numbers, which categories, and which neither."""

from __future__ import annotations

import datetime
import decimal
import logging

import numpy as np
import pandas as pd
import pytest

from lol_lightning.exceptions import DataError
from lol_lightning.features import TableFeatures
from lol_lightning.features.table_columns import choose_columns, one_hot

DAY = datetime.date(2020, 1, 2)


@pytest.mark.parametrize(
    "values",
    [
        [1, 2.5],
        [decimal.Decimal("1"), decimal.Decimal("2.5")],
        [np.float32(1), np.float64(2.5)],
    ],
    ids=["python", "decimal", "numpy"],
)
def test_a_column_of_objects_that_are_numbers_is_one_numeric_feature(values):
    space = TableFeatures()
    features = space.fit_transform(pd.DataFrame({"a": pd.Series(values, dtype=object)}))
    assert space.feature_names == ["a"]
    np.testing.assert_allclose(features, [[-1], [1]])


@pytest.mark.parametrize(
    "values",
    [
        pd.to_datetime([DAY, DAY]),
        pd.to_datetime([DAY, DAY]).tz_localize("UTC"),
        pd.to_timedelta([1, 2], "D"),
        pd.period_range("2020", periods=2, freq="D"),
        [DAY, DAY],
    ],
    ids=["naive", "zoned", "differences", "periods", "dates"],
)
def test_times_of_every_make_are_left_out_and_named(values, caplog):
    with caplog.at_level(logging.INFO):
        assert choose_columns(pd.DataFrame({"a": [1.0, 2.0], "when": values})) == (["a"], [])
    assert "Columns of times are no features: ['when']" in caplog.text


@pytest.mark.parametrize("value", [[1, 2], {"k": 1}, {1}, np.ones(3), ("x", [1])], ids=str)
def test_columns_without_hashes_are_left_out_and_named(value, caplog):
    table = pd.DataFrame({"a": [1.0, 2.0], "items": pd.Series([value, value], dtype=object)})
    with caplog.at_level(logging.INFO):
        assert TableFeatures().fit(table).feature_names == ["a"]
    assert "Columns of lists, dicts or the like are no features: ['items']" in caplog.text
    with pytest.raises(DataError, match=r"column 'items' holds .* which is no category"):
        TableFeatures(categorical=["items"]).fit(table)


def test_tuples_are_categories_of_one_feature_each():
    table = pd.DataFrame({"pair": pd.Series([("x", "y"), ("x", "z"), ("x", "y")], dtype=object)})
    np.testing.assert_array_equal(TableFeatures().fit_transform(table), [[1, 0], [0, 1], [1, 0]])


def test_missing_booleans_are_in_no_category():
    hot = one_hot(pd.Series([True, pd.NA, False], dtype="boolean"), [False, True])
    np.testing.assert_array_equal(hot, [[False, True], [False, False], [True, False]])


def test_columns_of_any_name_are_read():
    table = pd.DataFrame({0: [1.0, 3.0], 1: ["x", "y"]})
    space = TableFeatures()
    np.testing.assert_allclose(space.fit_transform(table), [[-1, 1, 0], [1, 0, 1]])
    assert space.feature_names == ["0", "1=x", "1=y"]
    restored = TableFeatures.from_state(space.state())
    np.testing.assert_allclose(restored.transform(table), [[-1, 1, 0], [1, 0, 1]])


def test_a_column_with_a_category_for_nearly_every_row_is_announced(caplog):
    table = pd.DataFrame({"id": [f"user {i}" for i in range(30)], "city": ["Oslo", "Rome"] * 15})
    with caplog.at_level(logging.INFO):
        choose_columns(table)
    assert "Column 'id' has 30 distinct values on 30 rows" in caplog.text
    assert "'city'" not in caplog.text


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1e300, -1e300], r"column 'a' holds numbers up to 1e\+300, too large; scale it"),
        ([1 + 1j, 2], "column 'a' holds complex numbers"),
    ],
)
def test_numbers_that_cannot_be_features_are_refused(values, message):
    with pytest.raises(DataError, match=message):
        TableFeatures(numeric=["a"]).fit(pd.DataFrame({"a": values}))


@pytest.mark.parametrize(
    ("rows", "kind"),
    [([{"a": 1.0}], "a list of dict"), (pd.Series([1.0, 2.0]), "a pandas Series"), ([3], "a list of int")],
)
def test_rows_that_are_no_table_are_named(rows, kind):
    space = TableFeatures().fit(pd.DataFrame({"a": [1.0, 2.0]}))
    with pytest.raises(DataError, match=f"TableFeatures reads DataFrames, got {kind}.*; give pandas.DataFrame"):
        space.transform(rows)
