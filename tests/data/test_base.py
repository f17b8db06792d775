import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from toy import trainer_options

from lol_lightning.data import BaseDataModule, Classes, ClassShares, LoaderOptions, LoLDataModule, ModelDefaults
from lol_lightning.data.base import MAX_ALPHA
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.exceptions import ConfigurationError, DataError, NotFittedError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules import keyword_lf
from lol_lightning.models.classifier import LoLClassifier

LFS = [keyword_lf("prize", ["prize"], 1), keyword_lf("song", ["song"], 0)]
TEXTS = ["win a prize", "nice song", "what a day", "a song", "prize song"]


def data_module(**options):
    return LoLDataModule(TEXTS, lfs=LFS, progress_bar=False, **options)


class Measurements(BaseDataModule):
    """Three rows of two numbers with soft votes, as a data module of the user's own."""

    lf_names = ("a", "b")
    label_names = None
    num_classes = 3

    @property
    def train_rows(self):
        return np.arange(3)

    def num_rows(self, split):
        return {"train": 3, "val": 2}.get(split, 0)

    def _compute(self, split):
        self._once.setdefault(split, np.full((self.num_rows(split), 2, 3), [0.8, 0.1, 0.1]))

    def _make_dataset(self, split):
        labels = None if split == "train" else np.array([2, 0])
        return LoLDataset(torch.zeros(self.num_rows(split), 2), self._once[split], labels=labels)


def test_a_data_module_of_ones_own_serves_soft_votes():
    data = Measurements(batch_size=2)
    data.setup("fit")
    assert data.num_lfs == 2
    assert data.train_votes.tolist() == [[0, 0]] * 3
    np.testing.assert_allclose(data.train_vote_probabilities[0, 0], [0.8, 0.1, 0.1])
    assert data.val_vote_probabilities.shape == (2, 2, 3)
    assert [len(batch) for batch in data.train_dataloader()] == [2, 1]
    assert (data.num_features, data.feature_space, data.gradient_targets) == (None, None, None)
    assert data.model_defaults == ModelDefaults(alpha=MAX_ALPHA)
    assert not data.has_example_targets
    assert data.class_shares.shares.tolist() == [0.5, 0.0, 0.5]
    assert repr(data) == str(data) == "Measurements(train=3 of 3, val=2, lfs=2, classes=3, features=None, batch_size=2)"
    with pytest.raises(ConfigurationError, match="Measurements cannot draw"):
        Measurements(2).draw_train_rows(1, seed=0)
    with pytest.raises(ConfigurationError, match="Measurements takes no records"):
        Measurements(2).use_records([])


def test_class_shares_are_the_users_or_counted():
    val = pd.DataFrame({"text": ["song", "song", "prize", "day"], "label": [0, 0, 1, 0]})
    counted = data_module(val=val)
    counted.setup("fit")
    assert counted.class_shares.shares.tolist() == [0.75, 0.25]
    assert counted.class_shares.num_labels == 4
    own = data_module(val=val, classes=Classes(balance=[1, 3])).class_shares
    assert (own.shares.tolist(), own.num_labels) == ([0.25, 0.75], None)
    unlabeled = data_module(val=val[["text"]])
    unlabeled.setup("fit")
    assert unlabeled.class_shares is None
    assert unlabeled.val_labels is None
    assert data_module().val_labels is None


def test_targets_are_common_to_all_rows():
    data = data_module()
    data.setup("fit")
    assert isinstance(data.gradient_targets, GradientTargets)
    assert data.example_targets is None
    assert data.train_vote_probabilities is None


def test_rows_that_are_absent_or_not_ready():
    data = data_module()
    with pytest.raises(NotFittedError, match=r"train rows are not ready; call setup\(\)"):
        data.dataset("train")
    with pytest.raises(DataError, match="no val rows; give val="):
        data.dataset("val")
    with pytest.raises(DataError, match="no nonsense rows"):
        data.dataset("nonsense")
    assert list(data.val_dataloader()) == []


def test_no_rows_are_drawn_where_there_are_none():
    data = LoLDataModule(predict=TEXTS, feature_space=BagOfWords().fit(TEXTS))
    with pytest.raises(DataError, match="no train rows; give train="):
        data.draw_train_rows(1, seed=0)


@pytest.mark.parametrize("stage", ["fit", "test"])
def test_what_is_decided_before_setup_is_refused_after_it(stage):
    data = data_module(test=TEXTS)
    data.setup(stage)
    with pytest.raises(ConfigurationError, match=r"train.* rows are ready, so draw_train_rows comes too late; call it"):
        data.draw_train_rows(2, seed=0)
    with pytest.raises(ConfigurationError, match=r"use_records comes too late; call it before setup\(\)"):
        data.use_records([LFRecord("song")])
    assert data.num_dropped_rows == 1


def test_rows_are_drawn_and_records_are_taken_before_setup():
    data = data_module()
    with pytest.raises(ConfigurationError, match="max_train_rows = 0"):
        data.draw_train_rows(0, seed=0)
    data.draw_train_rows(3, seed=0)
    data.use_records([LFRecord("song", (InspectedFeature("a", 0),))])
    with pytest.raises(ConfigurationError, match="no vote column is named like the record 'x'"):
        data.use_records([LFRecord("x")])
    data.setup("fit")
    assert data.num_rows("train") == 3
    assert len(data.train_votes) + data.num_dropped_rows == 3
    assert data.audit.inspected.tolist() == ["a"]
    targets = GradientTargets.from_entries([(0, 1, 0, 0.5)], 2, 2, data.num_features)
    other = data_module(feature_space=data.feature_space)
    other.use_records(targets)
    other.setup("fit")
    assert other.gradient_targets is targets
    assert len(other.audit) == 0


def test_repr_is_a_short_line_that_shows_what_setup_decided():
    data = data_module(val=TEXTS)
    assert repr(data) == "LoLDataModule(train=5, val=5, lfs=2, classes=?, features=?, batch_size=128)"
    data.setup("fit")
    assert repr(data) == str(data) == "LoLDataModule(train=4 of 5, val=5, lfs=2, classes=2, features=7, batch_size=128)"


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LoaderOptions(on_device=True, pin_memory=True), "leaves nothing to .* pin_memory = True"),
        (lambda: Classes(["a", "b"], number=3), r"contradict each other: \{'number': 3, 'names': 2\}"),
        (lambda: Classes(number=2, balance=[1, 1, 1]), "contradict each other"),
        (lambda: Classes.of(1), "at least 2 classes, got 1"),
        (lambda: Classes(["a"]), "at least 2 classes, got 1"),
        (lambda: Classes(["a", "a"]), "distinct names"),
        (lambda: Classes(balance=[1, 0]), r"balance = \[1, 0\]; each class needs a share above 0"),
        (lambda: Classes(balance=[1, float("nan")]), "needs a share above 0"),
        (lambda: Classes.of("spam"), "classes = 'spam'; give their number, a list of names"),
        (lambda: Classes.of([0, 1]), r"classes = \[0, 1\]; give their number"),
        (lambda: data_module(batch_size=0), "batch_size = 0 must be at least 1"),
    ],
)
def test_settings_that_cannot_work(make, message):
    with pytest.raises(ConfigurationError, match=message):
        make()


def test_class_shares_are_counted():
    shares = ClassShares.counted(np.array([0, 2, 2, 2]), num_classes=4)
    assert shares.shares.tolist() == [0.25, 0.0, 0.75, 0.0]


def test_a_fit_without_validation_rows_validates_nothing_and_warns_of_nothing(tmp_path):
    data = data_module(classes=2)
    trainer = pl.Trainer(**trainer_options(max_epochs=2, barebones=False, default_root_dir=tmp_path))
    trainer.fit(LoLClassifier(), data)
    assert trainer.current_epoch == 2
    assert not any(name.startswith("val_") for name in trainer.callback_metrics)
    with pytest.raises(DataError, match="no val rows; give val="):
        trainer.validate(LoLClassifier(num_features=data.num_features, num_classes=2), data)
