"""The number of classes is said, and one stray vote or label does not make it silently."""

import logging

import numpy as np
import pandas as pd
import pytest
from snorkel.labeling import LabelingFunction

from lol_lightning import LoLDataModule
from lol_lightning.data.class_numbers import infer_num_classes
from lol_lightning.data.matrix import MatrixDataModule
from lol_lightning.data.options import Classes
from lol_lightning.exceptions import DataError
from lol_lightning.lfs.record import InspectedFeature

VOTES = np.array([[0, 1, -1], [2, 1, -1], [-1, 0, 1]])
NAMES = ["a", "b", "c"]


def with_vote(vote):
    votes = VOTES.copy()
    votes[2, 0] = vote
    return votes


def number(votes=VOTES, labels=None, inspected=(), classes=None):
    return infer_num_classes(Classes.of(classes), labels or {}, {"train": votes}, NAMES, inspected)


def test_the_number_is_said_in_one_line(caplog):
    caplog.set_level(logging.INFO)
    assert number() == 3
    assert [record.message for record in caplog.records] == [
        "There are 3 classes, the fewest with room for all votes and labels; classes= sets another."
    ]
    assert number(classes=4) == 4
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("options", "expected", "message"),
    [
        ({"votes": with_vote(5)}, 6, r"train rows is 5 \(labeling function 'a', row 2\).* 6 classes.* class 3, 4\."),
        ({"labels": {"val": np.array([0, 4])}}, 5, r"label of the val rows is 4 \(row 1\).* class 3\..*classes=5"),
        ({"inspected": [InspectedFeature("win", 4)]}, 5, r"inspected feature is 4 \('win'\).* class 3\."),
        ({"votes": with_vote(40)}, 41, r"class 3, 4, 5, 6, 7, 8, 9, 10, \.\.\."),
    ],
)
def test_classes_without_vote_and_label_are_named(options, expected, message):
    with pytest.warns(UserWarning, match=message):
        assert number(**options) == expected
    assert number(**options, classes=50) == 50


@pytest.mark.parametrize("vote", [150, 99_999, 10**10])
@pytest.mark.parametrize("data", ["votes", "labels"])
def test_ids_are_no_classes(vote, data):
    options = {"votes": with_vote(vote)} if data == "votes" else {"labels": {"test": np.array([0, vote])}}
    where = r"labeling function 'a', row 2" if data == "votes" else r"test rows is \d+ \(row 1\)"
    with pytest.raises(DataError, match=rf"{where}.*makes {vote + 1} classes.*Is it an id"):
        number(**options)


def test_many_classes_that_have_votes_are_classes():
    assert number(votes=np.arange(300).reshape(100, 3)) == 300


def test_every_data_module_checks():
    with pytest.raises(DataError, match=r"labeling function 'lf_0', row 2.*Is it an id"):
        MatrixDataModule(np.eye(3), votes=with_vote(10**10))
    data = LoLDataModule(["an id", "a song"], lfs=[LabelingFunction("ids", lambda x: 10**10)], progress_bar=False)
    with pytest.raises(DataError, match=r"labeling function 'ids', row 0.*Is it an id"):
        data.setup("fit")


def test_gold_labels_that_are_names_are_mapped():
    rows = pd.DataFrame({"text": ["cheap", "song"], "label": ["spam", "ham"]})
    lfs = [LabelingFunction("cheap", lambda x: 1 if "cheap" in x.text else 0)]

    def labels(rows, **options):
        data = LoLDataModule(rows, val=rows, lfs=lfs, progress_bar=False, **options)
        data.setup("fit")
        return data.val_labels.tolist()

    assert labels(rows, classes=["ham", "spam"]) == [1, 0]
    assert labels(rows.astype({"label": "category"}), classes=["ham", "spam"]) == [1, 0]
    assert labels(rows.assign(label=[True, False])) == [1, 0]
    assert labels(rows.assign(label=pd.array([1, 0], "Int64"))) == [1, 0]
    for options in ({}, {"classes": ["eggs", "ham"]}):
        with pytest.raises(DataError, match=r"row 0 has 'label' = 'spam'.*classes=\[name of class 0"):
            labels(rows, **options)
    with pytest.raises(DataError, match=r"row 0 has 'label' = '1'"):
        labels(rows.assign(label=["1", "0"]))
    data = MatrixDataModule(np.eye(2), np.eye(2), votes=[[1], [0]], labels={"val": rows.label}, classes=["ham", "spam"])
    data.setup("fit")
    assert data.val_labels.tolist() == [1, 0]
