"""LoLDataModule with insertions, by real appliers and Trainers: what it trains on, says, keeps and refuses."""

import copy
import json
import logging
import pickle
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from own_module import lfs, rows
from processes import HELPERS, run_python
from snorkel.labeling import labeling_function
from toy import toy_targets, trainer_options

from lol_lightning import BagOfWords, LoLClassifier, LoLDataModule
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.options import LoaderOptions
from lol_lightning.exceptions import ConfigurationError, TargetsError
from lol_lightning.features import ColumnFeatures, TableFeatures, TextEmbeddings
from lol_lightning.inspection.insertion import InsertionOptions
from lol_lightning.lfs.record import InspectedFeature, LFRecord
from lol_lightning.losses import GradientPenalty, InsertionPenalty


def letters(texts):
    """Counts of pairs of letters, folded into 32 numbers: a small encoder without weights."""
    vectors = np.zeros((len(texts), 32))
    for row, text in enumerate(texts):
        for pair in pairwise(text):
            vectors[row, (7 * ord(pair[0]) + 3 * ord(pair[1])) % 32] += 1
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1)


def embeddings():
    return TextEmbeddings(letters, progress_bar=False)


def module(feature_space=None, **options):
    frame = rows()
    options = {"lfs": lfs(), "batch_size": 16, "progress_bar": False, **options}
    return LoLDataModule(frame, val=frame, feature_space=feature_space, **options)


def fit(data, model=None, **options):
    pl.seed_everything(0, verbose=False)
    model = LoLClassifier(hidden_sizes=(8,)) if model is None else model
    trainer = pl.Trainer(**trainer_options(**{"max_epochs": 3, **options}))
    trainer.fit(model, data)
    return trainer, model


def met(model, data):
    """The part of all demands that a model meets, a little below c, towards which a squared hinge goes."""
    bank = copy.copy(data.dataset("train").insertions)
    bank.terms_per_step = None
    batch = data.dataset("train").__getitems__(range(60))
    batch = LoLBatch(batch.features, batch.votes, insertions=bank.draw(0))
    return float(InsertionPenalty(c=0.25).measure(model.network, batch, 0).met())


def test_a_bag_of_words_trains_on_insertions_where_the_user_wants_them():
    data = module(insertions=True)
    trainer, model = fit(data)
    assert type(model.lol.penalty) is InsertionPenalty
    assert data.gradient_targets is None
    assert data.has_insertions
    assert data.lfs_without_demands == []
    assert trainer.callback_metrics["train_penalty"] >= 0
    batch = next(iter(data.train_dataloader()))
    difference = batch.insertions.with_term.to_dense() - batch.insertions.without_term.to_dense()
    names = data.feature_space.feature_names
    inserted = {names[j] for j in difference.nonzero()[:, 1].tolist()}
    assert inserted == {"prize", "song", "melody", "win"}
    assert (difference.sum(1) == 1).all()


@pytest.mark.parametrize("insertions", [None, False])
def test_a_bag_of_words_keeps_gradients_by_default(insertions):
    data = module(insertions=insertions)
    _, model = fit(data, max_epochs=1)
    assert type(model.lol.penalty) is GradientPenalty
    assert not data.has_insertions
    assert data.dataset("train").insertions is None
    assert len(data.gradient_targets) == 4


def test_embeddings_have_insertions_by_default():
    data = module(embeddings())
    _, model = fit(data, max_epochs=1)
    assert type(model.lol.penalty) is InsertionPenalty
    assert model.lol.penalty.alpha_ == 3.0
    assert model.lol.penalty.c_ == 0.3
    assert data.dataset("train").insertions.with_term.shape == (480, 32)


def test_words_beside_embeddings_keep_gradients():
    data = module(ColumnFeatures({"words": BagOfWords(), "meaning": embeddings()}))
    _, model = fit(data, max_epochs=1)
    assert type(model.lol.penalty) is GradientPenalty
    assert len(data.gradient_targets) == 4


def test_arguments_of_an_open_penalty_go_to_the_one_that_is_chosen(caplog):
    with caplog.at_level(logging.INFO):
        _, model = fit(module(embeddings()), LoLClassifier(penalty={"alpha": 2.0, "c": 0.1, "num_samples": 4}))
    assert type(model.lol.penalty) is InsertionPenalty
    assert (model.lol.penalty.alpha_, model.lol.penalty.c_) == (2.0, 0.1)
    assert "InsertionPenalty has no smoothing samples: num_samples=4 of penalty= has no effect." in caplog.text


def test_a_gradient_penalty_that_is_named_is_told_what_is_there():
    with pytest.raises(TargetsError, match="insertions"):
        fit(module(embeddings()), LoLClassifier(penalty=GradientPenalty(alpha=1.0)))


@pytest.mark.parametrize("space", [None, embeddings()], ids=["words", "embeddings"])
def test_training_meets_the_demands(space):
    reached = {}
    for method in ("lol", "lol-simple"):
        data = module(space, insertions=InsertionOptions(places=("random",)))
        data.setup("fit")
        pl.seed_everything(0, verbose=False)
        options = {"method": method} if method == "lol-simple" else {"penalty": {"alpha": 30.0}}
        model = LoLClassifier(num_features=data.num_features, num_classes=2, hidden_sizes=(8,), **options)
        before = met(model, data)
        fit(data, model, max_epochs=25)
        reached[method] = met(model, data)
    assert before == 0
    assert reached["lol"] == 1
    assert reached["lol-simple"] < 1


def test_the_log_says_it_in_one_line(caplog):
    records = [LFRecord("prize", (InspectedFeature("prize", 1),)), LFRecord("song"), LFRecord("win")]
    data = module(insertions=True, records=records, inspect="declared")
    with caplog.at_level(logging.INFO):
        data.setup("fit")
    said = [
        record.message for record in caplog.records if "inserted" in record.message or "inspected" in record.message
    ]
    assert said == [
        "120 pairs of rows with and without 1 inspected terms make the demands of 1 of 3 LFs; these train with their "
        "votes alone: ['song', 'win']."
    ]
    assert data.lfs_without_demands == ["song", "win"]


def test_the_audit_lists_every_term():
    data = module(insertions=True)
    data.setup("fit")
    audit = data.audit.set_index("inserted")
    assert audit.lf.to_dict() == {"prize": "prize", "song": "song", "melody": "song", "win": "win"}
    assert audit.label.to_dict() == {"prize": 1, "song": 0, "melody": 0, "win": 1}
    assert audit.pairs.sum() == len(data.dataset("train").insertions)
    assert (audit.value == 1).all()
    assert (audit.brings_vote == 1).all()


def test_no_demands_at_all_train_on_votes(caplog):
    data = module(embeddings(), lfs=["a", "b"], votes=np.array([[1, -1], [-1, 0]] * 30))
    with caplog.at_level(logging.INFO):
        _, model = fit(data, max_epochs=1)
    assert "0 pairs of rows" in caplog.text
    assert data.dataset("train").insertions is None
    assert data.lfs_without_demands == ["a", "b"]
    assert len(data.audit) == 0
    assert model.predict(["a song"]).shape == (1,)


def test_other_records_make_other_insertions():
    data = module(insertions=True)
    data.prepare_data()
    data.use_records([LFRecord("song", (InspectedFeature("melody", 0),))])
    data.setup("fit")
    assert set(data.audit.inserted) == {"melody"}


def test_drawn_rows_make_their_own_insertions():
    data = module(insertions=True)
    data.prepare_data()
    data.draw_train_rows(5, seed=0)
    data.setup("fit")
    words = {word for text in data._rows["train"].text for word in text.split()}
    background = data._once["insertions"].without_term.text
    assert {word for text in background for word in text.split()} <= words
    assert len(data.train_votes) == 5


def test_gradient_targets_cannot_be_inserted():
    with pytest.raises(TargetsError, match="gradient targets of 30 features, and insertions= needs terms"):
        module(records=toy_targets(), insertions=True).setup("fit")
    with pytest.raises(TargetsError, match=r"targets are of 30 features.*TextEmbeddings"):
        module(embeddings(), records=toy_targets()).setup("fit")


def test_a_space_without_texts_cannot_hold_terms():
    with pytest.raises(ConfigurationError, match="terms cannot be inserted for TableFeatures"):
        module(TableFeatures(["label"]), insertions=True)


@pytest.mark.parametrize("prepared", [False, True])
def test_what_is_pickled_holds_insertions_in_place_of_lfs(prepared):
    calls = []

    @labeling_function()
    def prize(x):
        calls.append(x.text)
        return 1 if "prize" in x.text else -1

    data = LoLDataModule(rows(), lfs=[prize], insertions=True, progress_bar=False)
    if prepared:
        data.prepare_data()
    again = pickle.loads(pickle.dumps(data))
    assert again.lfs == []
    number = len(calls)
    for one in (data, again):
        one.setup("fit")
    assert len(calls) == number
    ours, theirs = (one.dataset("train").insertions for one in (data, again))
    assert ours.with_term.indices.equal(theirs.with_term.indices)
    assert ours.value.equal(theirs.value)
    assert [f.term for f in again.records[0].features] == ["prize"]


@pytest.mark.ddp
@pytest.mark.slow
def test_spawned_processes_train_on_insertions():
    result = json.loads(run_python("-W", "ignore", HELPERS / "spawn_insertions.py").rpartition("RESULT ")[2])
    assert result["penalty"] == "InsertionPenalty"
    assert result["finite"]
    assert np.argmax(result["proba"], 1).tolist() == [1, 0]


def test_a_checkpoint_answers_for_new_texts(tmp_path):
    data = module(insertions=True)
    trainer, model = fit(data, max_epochs=10)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    texts = ["a prize", "this melody"]
    expected = model.predict_proba(texts)
    assert expected.argmax(1).tolist() == [1, 0]
    again = LoLClassifier.load_from_checkpoint(tmp_path / "model.ckpt")
    assert type(again.lol.penalty) is InsertionPenalty
    assert again.lol.penalty.alpha_ == 3.0
    np.testing.assert_allclose(again.predict_proba(texts), expected, atol=1e-7)
    new = LoLDataModule.load_from_checkpoint(tmp_path / "model.ckpt", predict=texts)
    predicted = torch.cat(pl.Trainer(**trainer_options()).predict(again, new))
    np.testing.assert_allclose(predicted, expected, atol=1e-6)


@pytest.mark.parametrize("loader", [LoaderOptions(num_workers=1), LoaderOptions(on_device=True)], ids=repr)
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_every_loader_hands_out_the_same_insertions(loader):
    batches = []
    for options in ({}, {"loader": loader}):
        data = module(insertions=True, **options)
        data.setup("fit")
        batches.append([batch.insertions for batch in data.train_dataloader()])
    for one, other in zip(*batches, strict=True):
        assert one.with_term.indices.equal(other.with_term.indices)
        assert one.weight.equal(other.weight)
        assert one.group.equal(other.group)


def test_only_training_batches_hold_insertions():
    data = module(insertions=True)
    data.setup("fit")
    assert next(iter(data.val_dataloader())).insertions is None
    assert len(next(iter(data.train_dataloader())).insertions) > 0


def test_the_rows_of_the_user_stay_as_they_are():
    frame = rows()
    before = frame.copy(deep=True)
    data = LoLDataModule(frame, lfs=lfs(), insertions=True, progress_bar=False)
    data.setup("fit")
    pd.testing.assert_frame_equal(frame, before)
