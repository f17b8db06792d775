"""Rows and gold labels that cannot be what they look like."""

from __future__ import annotations

import sqlite3

import numpy as np
import pandas as pd
import pytest

from lol_lightning.exceptions import DataError
from lol_lightning.lfs.rows import as_rows, labels_of, texts_of


@pytest.mark.parametrize(
    "label", [np.uint64(2**63), 2**63, 1e300, 2.0**53], ids=["uint64", "integer", "float", "inexact"]
)
def test_a_label_that_no_class_id_holds_is_named_instead_of_becoming_negative(label):
    rows = pd.DataFrame({"label": pd.Series([0, label], dtype=object)})
    with pytest.raises(DataError, match=r"row 1 has 'label' = .*; gold labels must be the integers"):
        labels_of(rows, "label")


def test_rows_whose_fields_are_only_read_by_key_are_refused_by_name():
    connection = sqlite3.connect(":memory:")
    connection.row_factory = sqlite3.Row
    rows = connection.execute("select 'good' as text union all select 'bad'").fetchall()
    connection.close()
    with pytest.raises(DataError, match=r"rows are of the type sqlite3 Row, .*: \[dict\(row\) for row in rows\]"):
        as_rows(rows, "text")
    assert sorted(texts_of([dict(row) for row in rows], "text")) == ["bad", "good"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["good"], ["bad"]], r"row 0 is a list, \['good'\]. Give texts, dicts or a table"),
        ([("good", 1)], r"row 0 is a tuple, \('good', 1\). Give texts, dicts or a table"),
        ([3, 4], "row 0 is a int, 3. Give texts, dicts or a table"),
        ([None], "row 0 is a NoneType, None. Give texts"),
        ([{"body": "good"}], r"only \['body'\]. Name the column that holds the text: text_column="),
        (pd.DataFrame({0: ["good"]}), r"only \[0\]. Name the column"),
    ],
)
def test_rows_without_the_text_say_what_they_have(rows, message):
    with pytest.raises(DataError, match=message):
        texts_of(rows, "text")


def test_a_cursor_of_a_data_base_is_fetched_first():
    connection = sqlite3.connect(":memory:")
    cursor = connection.execute("select 'good' as text")
    with pytest.raises(DataError, match=r"sqlite3 Cursor, which is not in memory; .*Give data\.fetchall\(\)"):
        as_rows(cursor, "text")
    connection.close()
