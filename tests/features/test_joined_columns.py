import logging

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import labeling_function

from lol_lightning import BagOfWords, LoLDataModule, keyword_lf
from lol_lightning.features import ColumnFeatures
from lol_lightning.features.joined_columns import joined_columns

PARTS = pd.DataFrame(
    {
        "title": ["Awful phone", "Great buy", "Meh", "Great camera"] * 6,
        "body": ["it broke at once", "works nicely every day", "refund please it broke", "nicely made"] * 6,
    }
)
ROWS = PARTS.assign(text=PARTS.title + "  " + PARTS.body)


@labeling_function()
def title(x):
    return 1 if "great" in x.title.lower() else -1


@labeling_function()
def body(x):
    return 0 if "broke" in x.body else -1


LFS = [title, body, keyword_lf("bad", ["awful", "dreadful"], label=0, text_column="title")]


def words_of(data):
    names, targets = data.feature_space.feature_names, data.gradient_targets
    return {lf.name: {names[j] for j in targets.feature[targets.lf == i].tolist()} for i, lf in enumerate(data.lfs)}


def test_lfs_that_read_the_parts_have_targets_in_the_joined_text(caplog):
    data = LoLDataModule(ROWS, lfs=LFS, progress_bar=False)
    with caplog.at_level(logging.INFO):
        data.setup("fit")
    assert words_of(data) == {"title": {"great"}, "body": {"broke"}, "bad": {"awful", "dreadful"}}
    line = "The text column 'text' holds the texts of 'body', 'title', so what LFs inspect there is looked for in it."
    assert line in caplog.text
    assert {f.column for record in data.records for f in record.features} == {"title", "body"}, "records stay"
    again = data.targets_from(data.records)
    assert again.feature.tolist() == data.gradient_targets.feature.tolist()


def test_other_texts_are_not_taken_for_joined_ones(caplog):
    rows = PARTS.assign(text=[f"a summary, number {i % 5}" for i in range(24)])
    data = LoLDataModule(rows, lfs=LFS, progress_bar=False)
    with caplog.at_level(logging.INFO):
        data.setup("fit")
    assert words_of(data) == {"title": set(), "body": set(), "bad": set()}
    assert "holds the texts" not in caplog.text
    assert data.audit.remark.tolist()[0] == "not a feature of this space: it is of the column 'title', not 'text'"


def test_a_column_that_the_model_reads_is_mapped_in_itself():
    space = ColumnFeatures({"title": BagOfWords(text_column="title"), "all": BagOfWords(text_column="text")})
    data = LoLDataModule(ROWS, lfs=LFS, feature_space=space, progress_bar=False)
    data.setup("fit")
    assert words_of(data) == {
        "title": {"title: great"},
        "body": {"all: broke"},
        "bad": {"title: awful", "title: dreadful"},
    }


@pytest.mark.parametrize(
    ("part", "is_joined"),
    [
        (["Great", "Bad buy"], True),
        (["great", "bad  BUY"], True),
        (["*Great*", "bad, buy!"], True),
        (["!!", "..."], False),
        ([["Great"], ["Bad", "buy"]], True),
        (["Great", None], False),
        (["reat", "ad buy"], False),
        (["it", "it"], False),
        (["it", "it works"], False),
        (["Great", "Good buy"], False),
        ([1, 2], False),
        ([None, None], False),
    ],
)
def test_what_is_joined(part, is_joined):
    rows = pd.DataFrame({"part": part, "text": ["Great it works", "Bad buy it broke"]}, dtype=object)
    assert joined_columns(rows, ["text"], ["part", "absent"]) == ({"part": ("text",)} if is_joined else {})
    points = rows.to_dict("records")
    assert joined_columns(points, ["text"], ["part"]) == ({"part": ("text",)} if is_joined else {})


def test_columns_with_other_names_than_texts():
    rows = pd.DataFrame({0: ["Great", "Bad buy"], "text": ["Great it works", "Bad buy it broke"]})
    assert joined_columns(rows, ["text"], ["0"]) == {"0": ("text",)}


def test_words_split_by_commas_are_found_in_lists():
    rows = PARTS.assign(text=[[*a.split(), *b.split()] for a, b in zip(PARTS.title, PARTS.body, strict=True)])
    data = LoLDataModule(rows, lfs=LFS[1:], progress_bar=False)
    data.setup("fit")
    assert words_of(data)["body"] == {"broke"}
    assert np.isfinite(data.gradient_targets.value.numpy()).all()
