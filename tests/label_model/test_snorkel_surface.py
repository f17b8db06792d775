"""The public surface of Snorkel's LabelModel, the same for both classes, and errors in words that both share."""

import copy
import inspect
import logging
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from snorkel.labeling.model import LabelModel
from snorkel.labeling.model.label_model import TrainConfig
from snorkel.utils.lr_schedulers import LRSchedulerConfig

from lol_lightning.exceptions import ConfigurationError, DataError, VotesError
from lol_lightning.label_model.label_model import LoLLabelModel

VOTES = np.array([[1, 1, -1], [0, 0, -1], [1, 1, 0], [0, -1, 0], [1, -1, 1]])
TEXTS = ["win a prize", "nice song", "win now", "a song", "win it"]


def fitted(model_class=LoLLabelModel, cardinality=2, votes=VOTES, **options):
    model = model_class(cardinality, verbose=False)
    model.fit(votes, progress_bar=False, **{"seed": 0, **options})
    return model


def test_every_public_method_and_argument_is_there():
    own = {name for name in vars(LabelModel) if not name.startswith("_")}
    assert own <= set(dir(LoLLabelModel))
    for name in own:
        theirs = inspect.signature(getattr(LabelModel, name)).parameters
        ours = list(inspect.signature(getattr(LoLLabelModel, name)).parameters)
        assert ours[: len(theirs) - ("kwargs" in theirs)] == [each for each in theirs if each != "kwargs"]


@pytest.mark.parametrize("model_class", [LabelModel, LoLLabelModel])
def test_attributes_and_methods_of_a_fitted_model(model_class):
    model = fitted(model_class, class_balance=[0.25, 0.75], n_epochs=7, lr=0.02)
    np.testing.assert_allclose(model.p, [0.25, 0.75])
    np.testing.assert_allclose(np.diag(model.P), [0.25, 0.75])
    np.testing.assert_allclose(model.coverage, [1.0, 0.6, 0.6])
    assert (model.m, model.mu.shape, model.cardinality) == (3, (6, 2), 2)
    np.testing.assert_allclose(model.mu.detach(), model.get_conditional_probs()[:, 1:].reshape(6, 2), atol=1e-6)
    assert (model.train_config.n_epochs, model.train_config.lr) == (7, 0.02)
    before = model.predict_proba(VOTES)
    assert model.train() is model
    assert model.eval() is model
    assert model.to("cpu") is model
    assert not model.training
    np.testing.assert_array_equal(model.predict_proba(VOTES), before)


def test_settings_and_coverage_are_there_after_load(tmp_path):
    model = fitted(n_epochs=7, prec_init=[0.6, 0.7, 0.8], mu_eps=0.01, seed=np.int64(3), optimizer="adam")
    model.save(tmp_path / "model")
    again = LoLLabelModel()
    again.load(tmp_path / "model")
    expected = TrainConfig()._replace(n_epochs=7, prec_init=[0.6, 0.7, 0.8], mu_eps=0.01, seed=3, optimizer="adam")
    assert again.train_config == expected
    np.testing.assert_array_equal(again.coverage, model.coverage)
    np.testing.assert_array_equal(again.p, model.p)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_model_is_copied_and_pickled(copied):
    model = fitted()
    np.testing.assert_array_equal(copied(model).predict_proba(VOTES), model.predict_proba(VOTES))


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamax"])
def test_snorkels_optimizers_are_taken_with_rows_and_what_becomes_of_them_is_said(optimizer, caplog):
    caplog.set_level(logging.INFO)
    model = fitted(X=TEXTS, optimizer=optimizer, n_epochs=1)
    assert model.train_config.optimizer == optimizer
    assert (f"optimizer='{optimizer}' is Snorkel's" in caplog.text) == (optimizer != "adam")
    assert model.classifier_.hparams["optimizer"] == ("adam" if optimizer == "adam" else "auto")


@pytest.mark.filterwarnings("ignore:.*lfs have no gradient targets")
def test_the_classifier_follows_train_eval_and_to():
    model = fitted(X=TEXTS, n_epochs=1)
    before = model.predict_proba(None, X=TEXTS)
    assert model.train().classifier_.training
    np.testing.assert_array_equal(model.predict_proba(None, X=TEXTS), before)
    assert not model.eval().training
    assert model.to(torch.device("cpu")).config.device == "cpu"
    with pytest.raises(ConfigurationError, match="'nowhere' is no device"):
        model.to("nowhere")


@pytest.mark.parametrize("model_class", [LabelModel, LoLLabelModel])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"votes": VOTES + 1}, "L_train has cardinality 3, cardinality=2 passed in"),
        ({"class_balance": [0.2, 0.3, 0.5]}, "class_balance has 3 entries. Does not match LabelModel cardinality 2."),
        ({"class_balance": [0.0, 1.0]}, "Class balance prior is 0 for class"),
        ({"Y_dev": np.array([1, 1])}, r"Y_dev has 1 class\(es\). Does not match LabelModel cardinality 2."),
        ({"prec_init": [0.7, 0.7]}, "prec_init must have shape 3."),
        ({"optimizer": "bad_opt"}, "Unrecognized optimizer option 'bad_opt'"),
        ({"lr_scheduler": "bad"}, "Unrecognized lr scheduler option 'bad'"),
        ({"lr_scheduler_config": LRSchedulerConfig(warmup_steps=-1)}, "warmup_steps much greater or equal than 0."),
        (
            {"lr_scheduler_config": LRSchedulerConfig(warmup_steps=1, warmup_unit="batches")},
            "LabelModel does not support any warmup_unit other than 'epochs'.",
        ),
    ],
)
@pytest.mark.filterwarnings("ignore:.*lr_scheduler.step.*")
def test_errors_read_as_snorkels(model_class, options, message):
    with pytest.raises(ValueError, match=message):
        fitted(model_class, **options)


@pytest.mark.parametrize("model_class", [LabelModel, LoLLabelModel])
def test_other_errors_read_as_snorkels(model_class, monkeypatch):
    with pytest.raises(ValueError, match="policy not recognized"):
        fitted(model_class).predict(np.full((2, 3), -1), tie_break_policy="coin")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ValueError, match=r"device=cuda but CUDA not available."):
        model_class(device="cuda")


def test_no_rows():
    model = fitted()
    empty = np.empty((0, 3), dtype=int)
    assert model.predict_proba(empty).shape == (0, 2)
    assert model.predict(empty).shape == (0,)
    with pytest.raises(VotesError, match="nothing can be learnt"):
        model.fit(empty, progress_bar=False)


@pytest.mark.parametrize("balance", [{1: 0.75, 0: 0.25}, pd.Series([0.75, 0.25], index=[1, 0]), [1, 3], (0.25, 0.75)])
def test_class_balance_of_every_form(balance):
    np.testing.assert_allclose(fitted(class_balance=balance).p, [0.25, 0.75])


@pytest.mark.parametrize(
    ("balance", "message"),
    [
        ({"ham": 0.5, "spam": 0.5}, r"keys \['ham', 'spam'\]; they must be the classes 0 .. 1"),
        ({0: 1.0}, r"keys \[0\]"),
        ("even", "must be 2 positive numbers"),
        (0.5, "must be 2 positive numbers"),
        ([0.5, -0.5], "must be 2 positive numbers"),
    ],
)
def test_class_balance_that_does_not_fit(balance, message):
    with pytest.raises(ConfigurationError, match=message):
        fitted(class_balance=balance)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["spam", "ham", "spam", "ham", "spam"], "Y has 'spam' in row 0; labels are class ids 0 .. 1"),
        ([1, 0, 1, 0, 2], "Y has 2 in row 4"),
        ([1, 0, 1, 0, None], "Y has None in row 4"),
        ([1, 0, 1, 0, 0.5], "Y has 0.5 in row 4"),
        ([1, 0], "Y has 2 labels for 5 rows"),
    ],
)
def test_labels_of_a_score(labels, message):
    with pytest.raises(DataError, match=message):
        fitted().score(VOTES, labels)
    assert fitted().score(VOTES, pd.Series([1, 0, 1, 0, -1]))["accuracy"] == 1.0


def test_labels_of_a_development_set_that_are_names():
    with pytest.raises(DataError, match=r"Y_dev has 'ham' in row 0; labels must be 0 .. 1, not names"):
        fitted(Y_dev=["ham", "spam"])
