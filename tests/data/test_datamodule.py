import logging
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from snorkel.labeling import LabelingFunction, LFAnalysis
from toy import trainer_options

from lol_lightning.data import Classes, LoaderOptions, LoLDataModule
from lol_lightning.exceptions import (
    ConfigurationError,
    DataError,
    FeatureSpaceError,
    LabelingFunctionError,
    NotFittedError,
    TargetsError,
    VotesError,
)
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.inspection import LFInspection
from lol_lightning.lfs.adapter import GradientLabelingFunction
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.lfs.rules import keyword_lf
from lol_lightning.models.classifier import LoLClassifier

TEXTS = ["subscribe now", "nice song", "what a day", "subscribe to this song", "song of mine"]
LFS = [keyword_lf("subscribe", ["subscribe"], 1), keyword_lf("song", ["song"], 0)]
VOTES = np.array([[1, -1], [-1, 0], [-1, -1], [1, 0], [-1, 0]])
TRAIN = pd.DataFrame({"text": TEXTS})
VAL = pd.DataFrame({"text": ["subscribe please", "old song"], "label": [1, 0]})


def data_module(train=TRAIN, val=VAL, lfs=LFS, **options):
    return LoLDataModule(train, val, lfs=lfs, progress_bar=False, **options)


def ready(*args, stage="fit", **options):
    data = data_module(*args, **options)
    data.setup(stage)
    return data


def features_of(batch):
    return batch.features.to_dense()


@pytest.mark.parametrize(
    "train",
    [
        TRAIN,
        TRAIN.set_index(pd.Index(list("abcde"))),
        [SimpleNamespace(text=text) for text in TEXTS],
        [{"text": text} for text in TEXTS],
        TEXTS,
        pd.Series(TEXTS, index=range(3, 8)),
    ],
    ids=["frame", "frame with other index", "objects", "mappings", "texts", "series"],
)
def test_rows_of_every_kind_give_the_same_votes_and_features(train):
    data = ready(train)
    np.testing.assert_array_equal(data.train_votes, VOTES)
    assert data.num_dropped_rows == 0
    assert data.num_features == len({word for text in TEXTS for word in text.split()})
    batch = next(iter(data.train_dataloader()))
    assert features_of(batch).sum() == sum(len(text.split()) for text in TEXTS)


def test_sizes_names_and_targets():
    data = ready()
    assert (data.num_lfs, data.num_classes, data.lf_names) == (2, 2, ["subscribe", "song"])
    names = [data.feature_space.feature_names[j] for j in data.gradient_targets.feature.tolist()]
    assert list(zip(data.gradient_targets.lf.tolist(), names, strict=True)) == [(0, "subscribe"), (1, "song")]
    assert data.audit.entries.tolist() == [["subscribe"], ["song"]]
    np.testing.assert_array_equal(data.val_labels, [1, 0])
    np.testing.assert_array_equal(data.val_votes, [[1, -1], [-1, 0]])
    assert data.train_rows.text.tolist() == TEXTS


def test_gold_labels_never_reach_training():
    labeled = TRAIN.assign(label=["broken", None, 99, -5, "x"])
    batch = next(iter(ready(labeled).train_dataloader()))
    assert batch.labels is None


def test_validation_and_test_batches_keep_order_and_hold_labels():
    data = ready(test=VAL[::-1], stage=None)
    torch.testing.assert_close(next(iter(data.val_dataloader())).labels, torch.tensor([1, 0]))
    torch.testing.assert_close(next(iter(data.test_dataloader())).labels, torch.tensor([0, 1]))


def test_training_order_is_random_and_follows_the_seed():
    texts = [f"song number{i}" for i in range(50)]

    def first_order(seed):
        data = ready(texts, loader=LoaderOptions(seed=seed), batch_size=50)
        return features_of(next(iter(data.train_dataloader())))

    assert torch.equal(first_order(0), first_order(0))
    assert not torch.equal(first_order(0), first_order(1))


def test_lfs_run_neither_on_rows_to_predict_nor_where_there_are_votes():
    def fail(x):
        raise RuntimeError

    data = LoLDataModule(
        TRAIN,
        VAL,
        predict=TRAIN,
        lfs=[LabelingFunction("a", fail), LabelingFunction("b", fail)],
        votes={"train": VOTES, "val": [[1, -1], [-1, 0]]},
        progress_bar=False,
    )
    data.setup()
    assert (next(iter(data.predict_dataloader())).votes == -1).all()
    np.testing.assert_array_equal(data.train_votes, VOTES)


def test_votes_without_lfs_get_names():
    data = LoLDataModule(TRAIN, votes=VOTES, progress_bar=False)
    data.setup("fit")
    assert data.lf_names == ["lf_0", "lf_1"]
    assert len(data.gradient_targets) == 0
    assert list(data.val_dataloader()) == []


def test_records_from_elsewhere_replace_those_of_the_lfs():
    record = LFRecord("song", (InspectedFeature("nice", 0),))
    for records in ([record], LFInspection([record], VOTES[:, 1:])):
        data = ready(records=records)
        assert data.audit.inspected.tolist() == ["nice"]
        assert [r.name for r in data.records] == ["subscribe", "song"]


def test_log_lines_name_dropped_rows_and_lfs_without_features(caplog):
    lightning = logging.getLogger("pytorch_lightning")
    lightning.addHandler(caplog.handler)
    try:
        absent = GradientLabelingFunction("absent", lambda x: -1, features={0: [InspectedFeature("age", 0, "column")]})
        ready(lfs=[*LFS, LabelingFunction("plain", lambda x: 0 if "mine" in x.text else -1), absent])
    finally:
        lightning.removeHandler(caplog.handler)
    assert "1 of 5 training rows have no vote; they stay" in caplog.text
    assert "4 of 4 LFs have inspected features (3 declared, 1 traced; 4 terms)." in caplog.text
    assert "train with their votes alone: ['absent']" in caplog.text


@pytest.mark.parametrize(
    ("shares", "kept"),
    [
        ({}, [0, 1, 3, 4]),
        ({"classes": Classes(balance=[0.5, 0.5])}, [0, 1, 2, 3, 4]),
        ({"val": VAL}, [0, 1, 2, 3, 4]),
        ({"val": VAL.drop(columns="label")}, [0, 1, 3, 4]),
    ],
)
def test_rows_without_votes_stay_where_the_class_shares_are_known(shares, kept, caplog):
    with caplog.at_level("INFO"):
        data = LoLDataModule(TRAIN, lfs=LFS, progress_bar=False, **shares)
        data.setup("fit")
    np.testing.assert_array_equal(data.train_votes, VOTES[kept])
    assert data.num_dropped_rows == 5 - len(kept)
    assert data.train_rows.text.tolist() == [TEXTS[i] for i in kept]
    assert ("Dropped 1 of 5" in caplog.text) == (len(kept) == 4)
    assert (data.class_shares is None) == (len(kept) == 4)


def test_number_of_classes_is_the_smallest_with_room_for_all():
    assert ready().num_classes == 2
    assert ready(val=VAL.assign(label=[1, 2])).num_classes == 3
    assert ready(lfs=[*LFS, keyword_lf("rare", ["absent"], 2)]).num_classes == 3
    assert ready(classes=["ham", "spam", "other"]).num_classes == 3
    assert data_module(classes=["ham", "spam"]).num_classes == 2
    assert data_module(classes=Classes(balance=[1, 2, 1])).num_classes == 3


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        (
            {"classes": 2, "val": VAL.assign(label=[0, 2])},
            DataError,
            r"label of the val rows is 2 \(row 1\), but",
        ),
        (
            {"classes": 2, "lfs": [keyword_lf("x", ["song"], 2)]},
            DataError,
            r"class of an inspected feature is 2 \('song'\), but",
        ),
        (
            {"classes": 2, "lfs": [*LFS, keyword_lf("x", ["zzz"], 2)]},
            DataError,
            r"class of an inspected feature is 2 \('zzz'\), but",
        ),
        (
            {"votes": {"val": [[2, 0], [1, 0]]}},
            DataError,
            r"vote on the val rows is 2 \(.*'subscribe', row 0\), but",
        ),
        ({"votes": VOTES[:3]}, VotesError, "votes on 3 train rows, but 5 rows"),
        ({"votes": VOTES[:, :1]}, VotesError, "1 columns for 2 labeling functions"),
        ({"votes": np.where(VOTES == 0, -2, VOTES)}, VotesError, r"vote -2 of labeling function 1 \('song'\)"),
        ({"votes": VOTES.astype(float) + 0.5}, VotesError, "votes are integers"),
        ({"train": ["good", "bad"]}, DataError, "every LF abstains on each of the 2 training rows"),
        ({"train": TRAIN.iloc[:0]}, DataError, "no training rows"),
        ({"train": TRAIN.assign(text=[*TEXTS[:4], None]), "votes": VOTES}, DataError, "row 4 holds .*fillna"),
        ({"text_column": "body", "votes": VOTES}, DataError, r"no 'body', only \['text'\]"),
        ({"val": VAL.assign(label=[1, None])}, DataError, "row 1 has 'label' = nan"),
        ({"val": VAL.assign(label=["spam", "ham"])}, DataError, "must be the integers 0 .. K - 1"),
        ({"val": VAL.assign(label=[1, -1])}, DataError, "'label' = -1"),
        ({"val": VAL.assign(label=[1, 0.5])}, DataError, "'label' = 0.5"),
        ({"lfs": []}, ConfigurationError, "no labeling functions"),
        ({"lfs": [LFS[0], LFS[0]]}, LabelingFunctionError, "two labeling functions are named 'subscribe'"),
        ({"records": [LFRecord("other")]}, ConfigurationError, "no vote column is named like the record 'other'"),
        ({"lfs": [*LFS, "third"]}, ConfigurationError, r"\['third'\] have no code here: give their votes on the train"),
        (
            {"records": GradientTargets.from_entries([], 3, 2, 5)},
            TargetsError,
            r"targets have \{'num_lfs': 3, 'num_features': 5\}, but this data has",
        ),
    ],
)
def test_bad_input_names_the_value_and_the_cure(options, error, message):
    with pytest.raises(error, match=message):
        ready(**options)


def test_empty_vocabulary():
    with pytest.raises(FeatureSpaceError, match="no vocabulary comes out of 2 texts"):
        ready(["...", "- -"], lfs=[], votes=VOTES[:2])


def test_test_rows_need_labels():
    data = ready(test=VAL[["text"]], stage="test")
    with pytest.raises(DataError, match=r"test rows have no labels in 'label'.*predict="):
        data.test_dataloader()


def test_splits_that_are_absent_or_not_ready():
    data = data_module()
    with pytest.raises(NotFittedError, match="setup"):
        data.train_dataloader()
    with pytest.raises(NotFittedError, match="setup"):
        _ = data.num_classes
    with pytest.raises(DataError, match="no test rows; give test="):
        data.test_dataloader()


def test_a_fitted_feature_space_is_kept():
    space = BagOfWords().fit(["only song here"])
    assert ready(feature_space=space).num_features == 3


def test_setup_twice_runs_the_lfs_once():
    calls = []

    def count(x):
        calls.append(x.text)
        return 1

    data = data_module(lfs=[LabelingFunction("counting", count)], inspect="declared")
    data.setup("fit")
    data.setup("fit")
    data.setup("validate")
    assert len(calls) == len(TRAIN) + len(VAL)


@pytest.mark.filterwarnings("ignore:Input has data type:FutureWarning")  # of SciPy, within Snorkel
def test_lf_summary_equals_snorkel():
    data = ready()
    expected = LFAnalysis(VOTES, LFS).lf_summary()
    summary = data.lf_summary()
    for column in ("Coverage", "Overlaps", "Conflicts"):
        np.testing.assert_allclose(summary[column], expected[column])
    assert summary.Polarity.tolist() == expected.Polarity.tolist()
    assert summary.Inspected.tolist() == ["subscribe 1.00", "song 1.00"]
    assert summary.Targets.tolist() == [1, 1]


def test_trainer_fits_tests_and_predicts():
    data = data_module(test=VAL, predict=TRAIN, batch_size=2)
    trainer = pl.Trainer(**trainer_options(max_epochs=2, log_every_n_steps=1))
    model = LoLClassifier(penalty={"alpha": 1.0, "c": 0.1}, lr=0.01)
    trainer.fit(model, data)
    assert set(trainer.test(model, data, verbose=False)[0]) >= {"test_accuracy"}
    assert sum(len(batch) for batch in trainer.predict(model, data)) == len(TRAIN)


def test_rows_on_the_device_are_cut_there_and_leave_workers_nothing_to_do():
    lfs = [keyword_lf("prize", ["prize"], label=1), keyword_lf("song", ["song"], label=0)]
    texts = ["win a prize", "nice song", "a song", "prize"]
    batches = []
    for on_device in (False, True):
        data = LoLDataModule(texts, lfs=lfs, loader=LoaderOptions(on_device=on_device), progress_bar=False)
        data.trainer = pl.Trainer(accelerator="cpu", logger=False, barebones=True)
        data.setup("fit")
        (batch,) = data.train_dataloader()
        batches.append((batch.features.to_dense(), batch.votes))
    torch.testing.assert_close(*batches)
    with pytest.raises(ConfigurationError, match=r"num_workers = 2 .*drop them"):
        LoaderOptions(on_device=True, num_workers=2)
