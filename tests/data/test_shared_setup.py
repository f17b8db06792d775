import copy
import json
import pickle
from collections import Counter

import numpy as np
import pytest
import pytorch_lightning as pl
from processes import HELPERS, run_python
from snorkel.labeling import LabelingFunction, labeling_function
from toy import trainer_options

from lol_lightning.data import LoLDataModule
from lol_lightning.exceptions import LabelingFunctionError
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules import keyword_lf

TEXTS = ["nice song", "a prize", "what a day", "song of mine"]
VAL = ["my song", "your prize"]


def counting():
    """A data module with two LFs that cannot be pickled, and the texts on which they were called."""
    calls = []

    @labeling_function()
    def song(x):
        calls.append(x.text)
        return 0 if "song" in x.text else -1

    prize = LabelingFunction("prize", lambda x: 1 if "prize" in x.text else -1)
    options = {"inspect": "declared", "progress_bar": False}
    return LoLDataModule(TEXTS, VAL, predict=TEXTS, lfs=[song, prize], **options), calls


def through_pickle(data):
    return pickle.loads(pickle.dumps(data))


@pytest.mark.parametrize("stage", [None, "fit"], ids=["before setup", "after setup"])
def test_votes_travel_where_lfs_cannot(stage):
    data, calls = counting()
    if stage is not None:
        data.setup(stage)
    other = through_pickle(data)
    assert calls == TEXTS + VAL
    assert other.lfs == []
    other.setup("fit")
    data.setup("fit")
    assert calls == TEXTS + VAL
    np.testing.assert_array_equal(other.train_votes, [[0, -1], [-1, 1], [0, -1]])
    np.testing.assert_array_equal(other.val_votes, data.val_votes)
    assert [lf.name for lf in data.lfs] == other.lf_names == ["song", "prize"]


def test_what_was_traced_travels():
    data, _ = counting()
    traced = LoLDataModule(TEXTS, lfs=data.lfs, inspect="traced", progress_bar=False)
    other = through_pickle(traced)
    other.setup("fit")
    assert [[f.term for f in record.features] for record in other.records] == [["song"], ["prize"]]
    assert len(other.gradient_targets) == 2


def test_records_taken_after_the_votes_are_inspected_before_they_travel():
    data, _ = counting()
    traced = LoLDataModule(TEXTS, lfs=data.lfs, inspect="traced", progress_bar=False)
    traced.prepare_data()
    traced.use_records([LFRecord("song", (InspectedFeature("nice", 0),))])
    other = through_pickle(traced)
    assert other.lfs == []
    other.setup("fit")
    assert [[f.term for f in record.features] for record in other.records] == [["nice"], ["prize"]]


def test_lfs_that_pickle_travel_and_run_on_the_other_side():
    other = through_pickle(LoLDataModule(TEXTS, lfs=[keyword_lf("song", ["song"], 0)], progress_bar=False))
    assert [lf.name for lf in other.lfs] == ["song"]
    other.setup("fit")
    assert other.train_votes.tolist() == [[0], [0]]


def test_an_lf_that_fails_is_named_when_its_votes_are_to_travel():
    data = LoLDataModule(TEXTS, lfs=[LabelingFunction("broken", lambda x: x.body)], progress_bar=False)
    with pytest.raises(LabelingFunctionError, match="'broken' raised AttributeError at row 0"):
        pickle.dumps(data)


def test_rows_are_drawn_from_votes_that_travelled():
    data, calls = counting()
    other = through_pickle(data)
    other.draw_train_rows(2, seed=0)
    other.setup("fit")
    assert len(calls) == len(TEXTS + VAL)
    expected, _ = counting()
    expected.draw_train_rows(2, seed=0)
    expected.setup("fit")
    assert other.train_rows.text.tolist() == expected.train_rows.text.tolist()
    np.testing.assert_array_equal(other.train_votes, expected.train_votes)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_keep_the_lfs_and_run_none(copied):
    data, calls = counting()
    other = copied(data)
    assert calls == []
    assert [lf.name for lf in other.lfs] == ["song", "prize"]
    other.setup("fit")
    assert other.num_dropped_rows == 1


def test_what_a_copy_chooses_leaves_the_original_alone():
    data, calls = counting()
    data.prepare_data()
    other = copy.copy(data)
    other.draw_train_rows(2, seed=0)
    other.use_records([LFRecord("song", (InspectedFeature("nice", 0),))])
    other.setup("fit")
    assert (data.num_rows("train"), other.num_rows("train")) == (4, 2)
    assert not data.feature_space.is_fitted
    data.setup("fit")
    assert data.train_rows.text.tolist() == ["nice song", "a prize", "song of mine"]
    assert data.train_votes.tolist() == [[0, -1], [-1, 1], [0, -1]]
    assert data.records[0].features == ()
    assert other.feature_space.num_features < data.feature_space.num_features
    assert calls == TEXTS + VAL


def test_votes_on_rows_that_a_copy_draws_stay_in_the_original():
    data = LoLDataModule(TEXTS, votes=[[0], [1], [0], [0]], lfs=["first"], progress_bar=False)
    other = copy.copy(data)
    other.draw_train_rows(1, seed=0)
    data.setup("fit")
    assert data.train_votes.tolist() == [[0], [1], [0], [0]]


def test_a_trainer_does_not_travel():
    data, _ = counting()
    trainer = pl.Trainer(**trainer_options(barebones=False))
    data.trainer = trainer
    assert through_pickle(data).trainer is None
    assert data.trainer is copy.deepcopy(data).trainer is trainer


def test_prepare_data_runs_the_lfs_and_setup_runs_them_no_more():
    data, calls = counting()
    data.prepare_data()
    assert calls == TEXTS + VAL
    data.setup()
    assert calls == TEXTS + VAL


@pytest.mark.ddp
@pytest.mark.parametrize(("strategy", "inspect"), [("ddp", "declared"), ("ddp", "traced"), ("ddp_spawn", "declared")])
def test_lfs_run_once_for_two_processes(tmp_path, strategy, inspect):
    run_python(HELPERS / "ddp_rows.py", tmp_path, strategy, inspect)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    assert sorted(first.pop("rows") + second.pop("rows")) == list(range(40))
    assert first == second
    assert first["votes"] == [[0]] * 40
    assert first["val_votes"] == [[0]] * 6
    assert first["sources"] == (["traced"] if inspect == "traced" else [])
    assert len(first["targets"][0]) == len(first["sources"])
    processes, rows = zip(*(line.split(" ", 1) for line in (tmp_path / "calls").read_text().splitlines()), strict=True)
    assert len(set(processes)) == 1
    calls = Counter(rows)
    assert len(calls) == 46
    if inspect == "declared":
        assert set(calls.values()) == {1}


@pytest.mark.ddp
def test_two_processes_without_validation_rows_are_not_warned_of(tmp_path):
    run_python(HELPERS / "ddp_rows.py", tmp_path, "ddp", "declared", 0, PYTHONWARNINGS="error:Total length")
    both = [json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1)]
    assert [part["val_votes"] for part in both] == [[], []]
    assert sorted(row for part in both for row in part["rows"]) == list(range(40))
