import pickle

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from toy import toy_problem, toy_targets, trainer_options

from lol_lightning._lightning import Trainer
from lol_lightning.data import Classes, ClassShares, MatrixDataModule
from lol_lightning.exceptions import ConfigurationError, DataError, TargetsError, VotesError
from lol_lightning.features import BagOfWords
from lol_lightning.lfs.record import LFRecord
from lol_lightning.models import LoLClassifier

DENSE, VOTES, LABELS = (tensor.numpy() for tensor in toy_problem())
UNVOTED = np.full((3, VOTES.shape[1]), -1)


def data_module(features=DENSE, votes=VOTES, **options):
    return MatrixDataModule(features, votes=votes, **options)


def fitted(data, **options):
    torch.manual_seed(0)
    model = LoLClassifier(**options)
    limit = None if data.has_rows("val") else 0
    Trainer(**trainer_options(max_epochs=15, limit_val_batches=limit)).fit(model, data)
    return model


@pytest.mark.parametrize(
    "form", [np.asarray, torch.from_numpy, sp.csr_matrix, sp.coo_array], ids=["array", "tensor", "csr", "coo"]
)
def test_features_of_every_form_train_alike_and_answer(form):
    data = data_module(
        form(DENSE),
        votes={"train": VOTES, "val": VOTES[:20]},
        val=form(DENSE[:20]),
        predict=form(DENSE[:7]),
        labels={"val": LABELS[:20]},
        gradient_targets=toy_targets(),
        batch_size=16,
    )
    model = fitted(data)
    assert (data.num_lfs, data.num_classes, data.num_features) == (5, 3, 30)
    assert (model.predict(form(DENSE)) == LABELS).mean() > 0.85
    assert model.lol.class_shares is not None
    trainer = Trainer(**trainer_options())
    accuracy = (model.predict(form(DENSE[:20])) == LABELS[:20]).mean()
    assert trainer.validate(model, data, verbose=False)[0]["val_accuracy"] == pytest.approx(accuracy)
    answers = torch.cat(trainer.predict(model, data)).double().numpy()
    np.testing.assert_allclose(answers, model.predict_proba(form(DENSE[:7])), atol=1e-6)


def test_gradient_targets_change_what_is_learnt():
    features, quiet = DENSE.copy(), np.where(np.arange(5) == 0, -1, VOTES)
    features[:, 0] = 0
    targets = toy_targets()
    with_targets, without = (
        fitted(data_module(features, quiet, gradient_targets=t, classes=3, batch_size=16)) for t in (targets, None)
    )
    asked = np.zeros((1, 30), dtype=np.float32)
    asked[0, 0] = 1
    gain = with_targets.predict_proba(asked)[0, 0] - without.predict_proba(asked)[0, 0]
    assert gain > 0.1


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
def test_rows_without_a_vote_leave_the_training_set(form):
    data = data_module(form(np.vstack([np.ones((3, 30)), DENSE])), np.vstack([UNVOTED, VOTES]))
    data.setup("fit")
    assert repr(data) == "MatrixDataModule(train=64 of 67, lfs=5, classes=3, features=30, batch_size=128)"
    assert data.num_dropped_rows == 3
    np.testing.assert_array_equal(data.train_votes, VOTES)
    rows = data.train_rows.toarray() if sp.issparse(data.train_rows) else data.train_rows
    np.testing.assert_array_equal(rows, DENSE)


def test_names_shares_and_targets_are_the_users():
    frame = pd.DataFrame(VOTES, columns=list("abcde"))
    targets = toy_targets()
    data = data_module(votes=frame, classes=Classes(["x", "y", "z"], balance=[1, 1, 2]), gradient_targets=targets)
    data.setup("fit")
    assert (data.lf_names, data.label_names) == (list("abcde"), ["x", "y", "z"])
    assert (data.class_shares.shares.tolist(), data.class_shares.num_labels) == ([0.25, 0.25, 0.5], None)
    assert data.gradient_targets is targets
    counted = ClassShares(np.array([0.25, 0.75]), num_labels=4)
    assert data_module(votes=np.minimum(VOTES, 1), classes=Classes(balance=counted)).class_shares is counted
    named = data_module(val=DENSE[:3], labels={"val": ["z", "x", "z"]}, classes=["x", "y", "z"])
    named.setup("fit")
    assert named.val_labels.tolist() == [2, 0, 2]
    assert (named.val_votes == -1).all()
    assert named.class_shares.num_labels == 3


def test_rows_are_drawn_and_targets_taken_before_setup():
    data, targets = data_module(), toy_targets()
    data.draw_train_rows(10, seed=0)
    data.use_records(targets)
    with pytest.raises(ConfigurationError, match="columns of a matrix have no names"):
        data.use_records([LFRecord("lf_0")])
    data = pickle.loads(pickle.dumps(data))
    data.setup("fit")
    assert data.num_rows("train") == 10
    assert len(data.gradient_targets) == len(targets)
    with pytest.raises(ConfigurationError, match="draw_train_rows comes too late"):
        data.draw_train_rows(2, seed=0)
    index = np.sort(np.random.default_rng(0).permutation(64)[:10])
    np.testing.assert_array_equal(data.train_votes, VOTES[index][(VOTES[index] != -1).any(1)])


def test_arrays_that_are_read_only_stay_as_they_are():
    features, votes = DENSE.copy(), VOTES.copy()
    for array in (features, votes):
        array.flags.writeable = False
    data = data_module(features, pd.DataFrame(votes, columns=list("abcde")), predict=features)
    data.setup()
    data.dataset("predict").features.zero_()
    np.testing.assert_array_equal(features, DENSE)


def test_a_feature_space_lets_the_model_read_texts():
    space = BagOfWords().fit(["win a prize", "nice song"])
    features = space.transform(["win a prize", "nice song"] * 8)
    model = fitted(data_module(features, [[1], [0]] * 8, feature_space=space, batch_size=4))
    assert model.predict(["prize", "song"]).tolist() == [1, 0]


def test_rows_that_are_no_vectors_are_for_a_network_of_ones_own():
    images = np.random.default_rng(0).random((20, 1, 4, 4))
    network = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(16, 2))
    data = data_module(images, np.zeros((20, 1), dtype=int))
    model = fitted(data, network=network)
    assert data.num_features is None
    assert model.predict(images).tolist() == [0] * 20


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"features": ["a text"]}, DataError, "the train rows are of the type list; give features as an array"),
        ({"features": np.ones(3)}, DataError, r"shape \(3,\)"),
        ({"features": np.where(np.arange(64)[:, None] == 9, np.nan, DENSE)}, DataError, "row 9 holds a feature"),
        ({"features": sp.csr_array(np.diag(np.full(30, np.inf)))}, DataError, "row 0 holds a feature"),
        ({"val": DENSE[:, :3]}, DataError, r"differ in their shape: \{'train': \(30,\), 'val': \(3,\)\}"),
        ({"votes": None}, ConfigurationError, "no votes on the training rows: give votes="),
        ({"votes": VOTES + 0.5}, VotesError, "vote"),
        ({"classes": 2}, DataError, r"a vote on the train rows is 2 \(labeling function 'lf_2', row 2\), but"),
        ({"labels": {"val": LABELS}}, ConfigurationError, "no val rows to label"),
        ({"val": DENSE, "labels": {"train": LABELS}}, ConfigurationError, "no train rows to label"),
        ({"val": DENSE, "labels": {"val": LABELS[:3]}}, DataError, "there are 3 labels for 64 val rows"),
        ({"val": DENSE, "labels": {"val": LABELS - 1}}, DataError, "gold labels must be the integers"),
        ({"gradient_targets": toy_targets(29)}, TargetsError, "'num_features': 29"),
        ({"feature_space": BagOfWords().fit(["a b"])}, ConfigurationError, "2 features and the matrix 30"),
    ],
)
def test_what_does_not_fit_is_named(options, error, message):
    with pytest.raises(error, match=message):
        data_module(**options)


def test_what_shows_in_setup_is_named():
    with pytest.raises(DataError, match="every LF abstains on each of the 3 training rows"):
        data_module(DENSE[:3], UNVOTED, classes=2).setup("fit")
    with pytest.raises(VotesError, match="there are votes on 64 train rows, but 3 rows"):
        data_module(DENSE[:3]).setup("fit")
    with pytest.raises(DataError, match="no train rows; give train="):
        MatrixDataModule(predict=DENSE, classes=3).setup("fit")
    with pytest.raises(ConfigurationError, match="nothing tells the number of classes"):
        MatrixDataModule(predict=DENSE)


def test_counted_shares_are_scaled_to_the_sum_one():
    shares = Classes(balance=ClassShares(np.array([3.0, 1.0]), 100)).shares()
    assert (shares.shares.tolist(), shares.num_labels) == ([0.75, 0.25], 100)


@pytest.mark.parametrize(
    ("features", "message"),
    [
        (
            np.ma.masked_equal([[1.0, 2.0], [3.0, -9.0]], -9.0),
            r"row 1 holds a feature that is masked.*rows.filled\(0\)",
        ),
        (sp.csr_matrix([[1, 1j], [1, 1]]), "features have the type complex128; they must be real"),
        (torch.tensor([[1, 1j], [1, 1]]), "features have the type torch.complex64; they must be real"),
        (np.zeros((2, 0)), r"shape \(2, 0\), so that a row has none"),
        (np.array([[1.0, 1.0], [1.0, 1e300]]), "row 1 holds a feature that is not finite .* too large for float32"),
        (np.array([[1, 2], [3, 4]], object), "type ndarray of object; give features as an array of numbers"),
    ],
)
def test_features_that_would_be_read_as_others_are_refused(features, message):
    with pytest.raises(DataError, match=message):
        MatrixDataModule(features, votes=[[0], [1]])
