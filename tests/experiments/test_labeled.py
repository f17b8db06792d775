import numpy as np
import pytest

from lol_lightning.exceptions import DataError
from lol_lightning.experiments.labeled import labeled_rows, split_80_20

LABELS = np.array([0] * 30 + [1] * 12)


def test_labeled_rows_are_balanced_nested_and_follow_the_seed():
    five, ten = (labeled_rows(LABELS, size, 2, seed=1) for size in (5, 10))
    assert np.bincount(LABELS[five]).tolist() == [5, 5]
    assert set(five) < set(ten)
    assert not np.array_equal(five, labeled_rows(LABELS, 5, 2, seed=2))
    assert labeled_rows(LABELS, None, 2, seed=0).tolist() == list(range(42))


def test_more_labeled_rows_than_a_class_has():
    with pytest.raises(DataError, match="val_per_class = 20, but class 1 has 12 validation rows"):
        labeled_rows(LABELS, 20, 2, seed=0)
    rows = labeled_rows(LABELS, 20, 2, seed=0, whole_small_classes=True)
    assert np.bincount(LABELS[rows]).tolist() == [20, 12]


def test_rows_without_labels_are_refused():
    with pytest.raises(DataError, match="the validation rows have no labels"):
        labeled_rows(None, None, 2, seed=0)


def test_split_is_80_20_within_each_class():
    rows = labeled_rows(LABELS, 10, 2, seed=0)
    train, choose = split_80_20(LABELS, rows, seed=0)
    assert np.bincount(LABELS[train]).tolist() == [8, 8]
    assert np.bincount(LABELS[choose]).tolist() == [2, 2]
    assert sorted([*train, *choose]) == rows.tolist()
    with pytest.raises(DataError, match="class 1 has one labeled row"):
        split_80_20(LABELS, np.array([0, 1, 35]), seed=0)
