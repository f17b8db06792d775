import numpy as np
import pytest
import torch
from tiny_benchmark import comments, write_wrench

from lol_lightning.benchmark.data import as_sets, forget, labeled_rows, prepare, split_80_20
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.exceptions import ConfigurationError, DataError

LABELS = np.array([0] * 30 + [1] * 12)


@pytest.fixture
def directory(tmp_path):
    yield write_wrench(tmp_path / "toy")
    forget()


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


def test_sets_are_known_by_name_and_content(directory):
    (one,) = as_sets([directory])
    (same,) = as_sets({"toy": directory})
    assert (one.name, one) == ("toy", same)
    path = directory / "valid.json"
    path.write_text(path.read_text().replace('"label": 1', '"label": 0', 1))
    assert as_sets([directory])[0].fingerprint != one.fingerprint


def test_functions_are_known_by_what_they_return(tmp_path):
    make = comments(tmp_path)
    first, again, other_rows = (as_sets({"mine": make}, seed)[0] for seed in (0, 0, 1))
    assert first == again
    assert other_rows != first
    make.lfs = make.lfs[:3]
    assert as_sets({"mine": make}, 0)[0] != first


def test_what_is_missing_is_named(directory):
    with pytest.raises(DataError, match="there is no WRENCH directory 'nowhere'"):
        as_sets(["nowhere"])
    with pytest.raises(DataError, match="two sets have the same name"):
        as_sets([directory, directory])
    with pytest.raises(ConfigurationError, match="there are no data"):
        as_sets([])


def test_data_modules_need_labeled_validation_and_test_rows(tmp_path):
    lfs = comments(tmp_path).lfs
    texts = ["please subscribe", "what a song", "free music"]
    with pytest.raises(DataError, match="no validation rows"):
        as_sets({"mine": lambda seed: LoLDataModule(texts, test=texts, lfs=lfs, progress_bar=False)})
    with pytest.raises(DataError, match="the test rows have no labels"):
        as_sets({"mine": lambda seed: LoLDataModule(texts, texts, texts, lfs=lfs, progress_bar=False)})


def test_rows_are_drawn_by_the_seed_and_prepared_once(directory, tmp_path):
    (dataset,) = as_sets([directory])
    drawn = prepare(dataset, 40, seed=1)
    assert len(drawn.train) + drawn.data.num_dropped_rows == 40
    assert prepare(dataset, 40, seed=1) is drawn
    assert prepare(dataset, 40, seed=2).data.train_rows.index.tolist() != drawn.data.train_rows.index.tolist()
    assert prepare(dataset, None, seed=1) is prepare(dataset, None, seed=2)
    (mine,) = as_sets({"mine": comments(tmp_path / "lfs")})
    assert len(prepare(mine, 40, seed=1).train) <= 40
    assert prepare(mine, None, seed=1) is not prepare(mine, None, seed=2)


def test_sources_share_features_and_differ_in_gradients(directory):
    (dataset,) = as_sets([directory])
    prepared = prepare(dataset, None, seed=0, inspect=True)
    told, declared, probed = (prepared.train_with(sources) for sources in (None, ("declared",), ("probed",)))
    plain = prepare(dataset, None, seed=0)
    assert len(told.gradient_targets) == len(declared.gradient_targets) == len(plain.train.gradient_targets)
    assert 0 < len(probed.gradient_targets) <= len(told.gradient_targets)
    torch.testing.assert_close(told.features.to_dense(), probed.features.to_dense())
    assert plain.train_with(None) is plain.train


def test_lfs_may_be_inspected_on_more_rows_than_are_trained_on(directory):
    (dataset,) = as_sets([directory])
    few, many = (prepare(dataset, 20, seed=0, inspect=True, inspected_rows=rows) for rows in (None, 90))
    assert len(few.train) == len(many.train)
    assert len(many.train_with(("probed",)).gradient_targets) > len(few.train_with(("probed",)).gradient_targets)
