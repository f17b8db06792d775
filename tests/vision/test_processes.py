"""Labelers, votes and targets are computed once, in one process, and reach the others."""

import copy
import json
import pickle

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from processes import HELPERS, run_python
from toy import trainer_options
from toy_images import perfect_labelers, toy_data

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.losses.weights import LabeledVotes
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.vision import LabelerTraining, LoLImageDataModule, RowTargetOptions, SplitOptions

# The few rows here make few batches.
pytestmark = pytest.mark.filterwarnings("ignore:.*does not have many workers:UserWarning")


def make(labelers=None, **changes):
    options = {"targets": RowTargetOptions(top_k=4), "split": SplitOptions(val_per_class=5), **changes}
    return LoLImageDataModule(toy_data(), ["bat", "eel"], labelers=labelers or perfect_labelers(), **options)


def assert_same(one, other):
    assert one.lf_names == other.lf_names
    for split in ("train", "val", "test"):
        ours, theirs = one.dataset(split), other.dataset(split)
        torch.testing.assert_close(ours.features, theirs.features, rtol=0, atol=0)
        torch.testing.assert_close(ours.votes, theirs.votes, rtol=0, atol=0)
    torch.testing.assert_close(one.example_targets.demands(), other.example_targets.demands(), rtol=0, atol=0)


@pytest.mark.parametrize("stage", ["nothing", "prepare_data", "setup"])
@pytest.mark.parametrize("through", [lambda data: pickle.loads(pickle.dumps(data)), copy.deepcopy])
def test_a_data_module_travels(stage, through):
    training = LabelerTraining(epochs=2)
    data = make(training)
    if stage != "nothing":
        getattr(data, stage)()
    other = through(data)
    for module in (data, other):
        module.setup()
    assert_same(data, other)


def test_prepare_data_trains_the_labelers_and_setup_does_not():
    data = make(LabelerTraining(epochs=1))
    data.prepare_data()
    weight = data.labelers.heads.weight
    data.setup()
    assert data.labelers.heads.weight is weight


def test_rows_drawn_after_prepare_data_have_votes_of_their_own():
    data, expected = make(), make()
    data.prepare_data()
    for module in (data, expected):
        module.draw_train_rows(7, seed=1)
        module.setup()
    assert len(data.train_votes) == 7
    assert_same(data, expected)


def test_records_are_refused_with_the_reason():
    data = make()
    with pytest.raises(
        ConfigurationError, match="takes no records: its LFs are networks, whose gradients are measured"
    ):
        data.use_records([])
    data.setup()
    with pytest.raises(ConfigurationError, match="takes no records"):
        data.use_records([])


def test_the_rows_to_predict_are_those_of_the_test():
    data = make()
    data.setup("predict")
    assert data.num_rows("predict") == data.num_rows("test") == len(data.dataset("predict")) == 24
    data.setup("test")
    assert data.dataset("test") is data.dataset("predict")
    model = LoLClassifier(hidden_sizes=(8,), num_classes=2, num_features=8)
    assert len(torch.cat(pl.Trainer(**trainer_options()).predict(model, make()))) == 24


def test_rows_that_are_drawn_class_by_class_tell_no_class_shares(caplog):
    data = make()
    data.setup()
    assert np.bincount(data.val_labels).tolist() == [5, 5]
    assert data.class_shares is None
    assert LabeledVotes.of(data).shares_of_classes() is None
    for own, expected in (("validation", None), ([1, 3], [0.25, 0.75])):
        model = LoLClassifier(hidden_sizes=(4,), class_shares=own)
        caplog.clear()
        with caplog.at_level("INFO"):
            pl.Trainer(**trainer_options(max_epochs=1)).fit(model, data)
        assert ("drawn class by class and tell no class shares" in caplog.text) == (expected is None)
        assert (None if expected is None else model.lol.class_shares.tolist()) == expected
    unlabeled = make(split=SplitOptions(val_per_class=0))
    unlabeled.setup()
    pl.Trainer(**trainer_options(max_epochs=1)).fit(LoLClassifier(hidden_sizes=(4,)), unlabeled)
    with pytest.raises(DataError, match="no val rows; raise val_per_class in split="):
        pl.Trainer(**trainer_options()).validate(LoLClassifier(num_features=8, num_classes=2), unlabeled)
    assert unlabeled.class_shares is None
    assert list(unlabeled.val_dataloader()) == []
    with pytest.raises(DataError, match="no val rows; raise val_per_class in split="):
        unlabeled.val_votes  # noqa: B018


@pytest.mark.ddp
@pytest.mark.parametrize(
    ("strategy", "level", "cache"),
    [("ddp_spawn", "representation", "none"), ("ddp", "pixels", "cache"), ("ddp", "representation", "cache")],
)
def test_labelers_are_trained_once_for_two_processes(tmp_path, strategy, level, cache):
    run_python(HELPERS / "ddp_images.py", tmp_path, strategy, level, cache)
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in (0, 1))
    trained = (tmp_path / "trained_on").read_text().split()
    assert {int(process) for process in trained} == {first.pop("process")}
    assert second.pop("process") not in map(int, trained)
    # Two epochs over six seen classes of 12 images, without the 3 of each that are held out.
    assert len(trained) == 2 * 6 * 9
    # The process that computed the targets may hold them in memory; the other one maps the files.
    assert second.pop("is_mapped") == (cache == "cache")
    del first["is_mapped"]
    assert first == second
    assert len(first["votes"]) == len(first["demands"]) > 0
    assert not first["is_training"]
