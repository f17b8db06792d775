import copy
import json
import pickle
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
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
    script = Path(__file__).parents[1] / "helpers" / "ddp_rows.py"
    command = [sys.executable, str(script), str(tmp_path), strategy, inspect]
    subprocess.run(command, check=True, capture_output=True, timeout=240)
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
