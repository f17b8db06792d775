import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch
from sklearn.feature_extraction.text import CountVectorizer

from lol_lightning.exceptions import ConfigurationError, DataError, FeatureSpaceError, TargetsError
from lol_lightning.features import BagOfWords
from lol_lightning.functional.gradient_targets import GradientTargets
from lol_lightning.label_model import LoLLabelModel
from lol_lightning.lfs.apply import fast_apply
from lol_lightning.lfs.rules.rules import keyword_lf
from lol_lightning.losses.weights import LabeledVotes
from lol_lightning.losses.weights.class_balance import balancing_weights, shrunken_shares

SPAM_WORDS, HAM_WORDS = ["subscribe", "channel", "visit"], ["song", "love", "voice"]
LFS = [
    keyword_lf("subscribe", ["subscribe"], label=1),
    keyword_lf("visit", ["visit"], label=1),
    keyword_lf("song", ["song"], label=0),
]


def comments(num_rows, seed=0):
    """Rows of one class's words; no LF looks for "channel", "love" or "voice"."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, num_rows)
    words = np.array([HAM_WORDS, SPAM_WORDS])
    texts = [" ".join([*rng.choice(words[y], 2, replace=False), *rng.choice(["the", "a", "this"], 2)]) for y in labels]
    return pd.DataFrame({"text": texts, "label": labels})


TRAIN, TEST = comments(120), comments(60, seed=1)
L_TRAIN, L_TEST = fast_apply(LFS, TRAIN), fast_apply(LFS, TEST)
VECTORIZER = CountVectorizer(binary=True).fit(TRAIN.text)


def fitted(X=TRAIN, votes=L_TRAIN, cardinality=2, n_epochs=8, **options):
    model = LoLLabelModel(cardinality, verbose=False)
    model.fit(votes, X=X, n_epochs=n_epochs, progress_bar=False, batch_size=32, **options)
    return model


@pytest.mark.parametrize(
    "rows",
    [
        lambda data: data,
        lambda data: data.text,
        lambda data: data.text.iloc[::1].set_axis(range(5, 5 + len(data))),
        lambda data: data.text.tolist(),
        lambda data: data.text.to_numpy(),
        lambda data: data[["text"]].to_dict("records"),
        lambda data: VECTORIZER.transform(data.text),
        lambda data: sp.csc_array(VECTORIZER.transform(data.text)),
        lambda data: VECTORIZER.transform(data.text).toarray(),
        lambda data: torch.from_numpy(VECTORIZER.transform(data.text).toarray()),
    ],
    ids=["frame", "series", "reindexed", "list", "array", "dicts", "csr", "csc", "dense", "tensor"],
)
def test_rows_of_every_form_train_and_answer(rows):
    model = fitted(rows(TRAIN))
    probabilities = model.predict_proba(L_TEST, X=rows(TEST))
    assert (probabilities.shape, probabilities.dtype) == ((60, 2), np.float64)
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-6)
    assert model.score(L_TEST, TEST.label, X=rows(TEST))["accuracy"] > 0.95


def test_classifier_answers_where_no_lf_votes_and_needs_no_votes():
    model = fitted()
    silent = pd.DataFrame({"text": ["this channel", "the voice I love"]})
    no_votes = np.full((2, 3), -1)
    assert model.predict(no_votes).tolist() == [-1, -1]
    assert model.predict(no_votes, X=silent).tolist() == [1, 0]
    assert model.predict(None, X=silent).tolist() == [1, 0]
    predictions, probabilities = model.predict(None, return_probs=True, X=silent)
    assert predictions.tolist() == probabilities.argmax(1).tolist()


def test_votes_alone_are_answered_by_conditionals_from_the_classifiers_posterior():
    model = fitted()
    without = LoLLabelModel(verbose=False)
    without.fit(L_TRAIN, progress_bar=False)
    assert (model.predict_proba(L_TEST) != model.predict_proba(L_TEST, X=TEST)).any()
    assert (model.get_weights() > 0.85).all()
    assert (model.get_weights() > without.get_weights()).all()
    assert model.score(L_TEST, TEST.label)["accuracy"] == 1.0


def test_gradient_teaches_a_word_that_no_text_holds():
    lfs = [keyword_lf("subscribe", ["subscribe", "sub4sub"], label=1), *LFS[1:]]
    unguided, guided = (fitted(lfs=lfs, alpha=alpha).predict_proba(None, X=["sub4sub"])[0, 1] for alpha in (0.0, 0.1))
    assert guided > 0.6
    assert guided > unguided + 0.1


def test_lfs_without_weight_of_the_penalty_are_no_lfs():
    space = BagOfWords(VECTORIZER).fit(TRAIN)
    unguided = fitted(lfs=LFS, feature_space=space, alpha=0.0).predict_proba(None, X=TEST)
    np.testing.assert_array_equal(unguided, fitted(feature_space=space).predict_proba(None, X=TEST))


def test_given_targets_equal_the_lfs_own():
    space = BagOfWords(VECTORIZER).fit(TRAIN)
    position = {name: i for i, name in enumerate(space.feature_names)}
    entries = [(0, 1, position["subscribe"], 1.0), (1, 1, position["visit"], 1.0), (2, 0, position["song"], 1.0)]
    targets = GradientTargets.from_entries(
        entries, 3, 2, space.num_features, document_frequency=space.document_frequency
    )
    wanted = fitted(lfs=LFS, feature_space=space).predict_proba(None, X=TEST)
    from_rows = fitted(records=targets, feature_space=space).predict_proba(None, X=TEST)
    np.testing.assert_allclose(from_rows, wanted, atol=1e-6)
    matrix = fitted(space.transform(TRAIN), records=targets)
    np.testing.assert_allclose(matrix.predict_proba(None, X=space.transform(TEST)), wanted, atol=1e-6)
    mapped = fitted(space.transform(TRAIN), lfs=LFS, feature_space=space)
    np.testing.assert_allclose(mapped.predict_proba(None, X=space.transform(TEST)), wanted, atol=1e-6)


def test_seed_repeats_the_training_and_leaves_the_global_one_alone():
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = fitted(n_epochs=1, seed=7).predict_proba(None, X=TEST)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(2)
    np.testing.assert_array_equal(fitted(n_epochs=1, seed=7).predict_proba(None, X=TEST), first)
    assert (fitted(n_epochs=1, seed=8).predict_proba(None, X=TEST) != first).all()


def test_settings_reach_the_classifier():
    classifier = fitted(
        n_epochs=1, lr=0.005, l2=0.1, optimizer="adam", hidden_sizes=[8], method="lol-simple", lf_weights="coverage"
    ).classifier_
    hparams = classifier.hparams
    assert (hparams["lr"], hparams["weight_decay"], hparams["optimizer"]) == (0.005, 0.1, "adam")
    assert hparams["hidden_sizes"] == [8]
    np.testing.assert_allclose(np.mean(hparams["lf_weights"]), 1)
    assert not classifier.training


def test_a_fit_without_verbose_says_nothing_and_writes_no_file(tmp_path, monkeypatch, capfd, caplog):
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        fitted(n_epochs=1)
    assert [str(warning.message) for warning in caught if warning.category is not FutureWarning] == []
    assert capfd.readouterr() == ("", "")
    assert caplog.records == []
    assert list(tmp_path.iterdir()) == []


def test_more_than_two_classes():
    votes = np.where(L_TRAIN == 1, 2, L_TRAIN)
    model = fitted(votes=votes, cardinality=3)
    assert set(model.predict(None, X=TEST)) == {0, 2}
    assert model.get_conditional_probs().shape == (3, 4, 3)


@pytest.mark.parametrize(
    "feature_space",
    [None, BagOfWords(CountVectorizer(ngram_range=(1, 2))), "matrix"],
    ids=["default", "ngrams", "matrix"],
)
def test_save_and_load(tmp_path, feature_space):
    rows = VECTORIZER.transform if feature_space == "matrix" else list
    space = None if feature_space == "matrix" else feature_space
    model = fitted(rows(TRAIN.text), feature_space=space, lfs=None if feature_space == "matrix" else LFS)
    model.save(tmp_path / "model")
    again = LoLLabelModel(cardinality=5, verbose=False)
    again.load(tmp_path / "model")
    assert again.cardinality == 2
    for X in (None, rows(TEST.text)):
        np.testing.assert_array_equal(again.predict_proba(L_TEST, X=X), model.predict_proba(L_TEST, X=X))
    np.testing.assert_array_equal(again.get_conditional_probs(), model.get_conditional_probs())
    np.testing.assert_array_equal(again.get_weights(), model.get_weights())
    again.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == (tmp_path / "model").read_bytes()


def test_own_network_trains_but_is_not_saved(tmp_path):
    network = torch.nn.Sequential(
        torch.nn.Linear(len(VECTORIZER.vocabulary_), 4), torch.nn.ReLU(), torch.nn.Linear(4, 2)
    )
    model = fitted(VECTORIZER.transform(TRAIN.text), network=network, n_epochs=40)
    assert model.score(None, TEST.label, X=VECTORIZER.transform(TEST.text))["accuracy"] > 0.9
    with pytest.raises(ConfigurationError, match="Sequential cannot be saved"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


TARGETS = GradientTargets.from_entries([(0, 1, 0, 1.0)], num_lfs=3, num_classes=2, num_features=4)


@pytest.mark.parametrize(
    ("options", "error", "named"),
    [
        ({"X": TRAIN[:7]}, DataError, "X has 7 rows and L_train has 120"),
        ({"lfs": LFS[:2]}, ConfigurationError, "there are 2 lfs and 3 columns"),
        ({"lfs": LFS, "records": TARGETS}, ConfigurationError, "give one of them"),
        ({"X": np.ones((120, 4)), "lfs": LFS}, ConfigurationError, "give the feature_space that made X"),
        ({"records": TARGETS}, TargetsError, "'num_features': 4"),
        ({"X": np.ones((120, 2, 2))}, DataError, "X has the shape (120, 2, 2)"),
        ({"X": np.full((120, 4), np.nan)}, DataError, "row 0 holds a feature that is not finite"),
        ({"X": [""] * 120}, FeatureSpaceError, "no vocabulary"),
        ({"optimizer": "rprop"}, ConfigurationError, "optimizer = 'rprop'"),
        ({"alpha": -1.0}, ConfigurationError, "alpha = -1.0"),
        ({"num_classes": 3}, ConfigurationError, "unknown arguments ['num_classes']"),
    ],
)
def test_what_does_not_fit_is_named(options, error, named):
    with pytest.raises(error, match=re.escape(named)):
        fitted(**options)


def test_prediction_from_what_does_not_fit_is_named():
    model = fitted(n_epochs=1)
    with pytest.raises(DataError, match="X has 60 rows and L has 120"):
        model.predict(L_TRAIN, X=TEST)
    with pytest.raises(DataError, match="no 'text'"):
        model.predict(None, X=TEST[["label"]])
    matrix = fitted(VECTORIZER.transform(TRAIN.text), n_epochs=1)
    with pytest.raises(DataError, match="trained on a matrix, but X is a DataFrame"):
        matrix.predict(None, X=TEST)
    with pytest.raises(DataError, match="columns"):
        matrix.predict(None, X=sp.csr_array((2, 3)))
    without = LoLLabelModel(verbose=False)
    without.fit(L_TRAIN, progress_bar=False)
    with pytest.raises(ValueError, match=r"call fit\(L_train, X=\.\.\.\)"):
        without.predict(L_TEST, X=TEST)


@pytest.mark.parametrize(
    ("given", "shares", "num_labeled"),
    [({"class_balance": [0.2, 0.8]}, [0.2, 0.8], None), ({"Y_dev": [0, 1, 1, 1]}, [0.25, 0.75], 4)],
)
def test_predictions_and_votes_are_matched_to_the_shares_that_fit_is_told(given, shares, num_labeled):
    covered = L_TRAIN[(L_TRAIN != -1).any(1)]
    votes = LabeledVotes(covered, 2).soft_votes()
    rows_per_vote = len(L_TRAIN) / len(covered)
    model = fitted(lfs=LFS, n_epochs=1, **given)
    wanted = shrunken_shares(votes, np.array(shares), num_labeled)
    np.testing.assert_allclose(model.classifier_.hparams["class_shares"], wanted, rtol=1e-6)
    np.testing.assert_allclose(model.classifier_.lol.vote_scale, rows_per_vote, rtol=1e-6)
    assert model.classifier_.hparams["class_weights"] == [1.0, 1.0]
    expected = balancing_weights(votes, shares, num_labeled)
    model = fitted(lfs=LFS, n_epochs=1, class_weights="validation", **given)
    np.testing.assert_allclose(model.classifier_.hparams["class_weights"], expected, rtol=1e-6)
    model = fitted(lfs=LFS, n_epochs=1, class_weights=[1.0, 2.0], **given)
    assert model.classifier_.hparams["class_weights"] == [1.0, 2.0]


def test_votes_count_as_they_are_where_fit_is_told_no_shares():
    classifier = fitted(lfs=LFS, n_epochs=1).classifier_
    assert classifier.hparams["class_weights"] == classifier.lol.class_weights.tolist() == [1.0, 1.0]
