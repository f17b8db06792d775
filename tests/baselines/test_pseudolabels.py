import numpy as np
import pytest
import torch

from lol_lightning.baselines.dawid_skene import DawidSkene
from lol_lightning.baselines.majority import majority_vote
from lol_lightning.baselines.pseudolabels import LABEL_MODELS, SnorkelModel, label_model, pseudolabels
from lol_lightning.baselines.triplets import TripletModel
from lol_lightning.exceptions import ConfigurationError, NotFittedError


def random_votes(rows: int = 200, lfs: int = 5, classes: int = 3, accuracy: float = 0.8) -> tuple[np.ndarray, ...]:
    rng = np.random.default_rng(0)
    labels = rng.integers(classes, size=rows)
    right = rng.random((rows, lfs)) < accuracy
    votes = np.where(right, labels[:, None], rng.integers(classes, size=(rows, lfs)))
    votes[rng.random((rows, lfs)) < 0.3] = -1
    return votes, labels


@pytest.mark.parametrize("method", sorted(LABEL_MODELS))
def test_pseudolabels_are_distributions_that_beat_one_lf(method):
    votes, labels = random_votes()
    soft = pseudolabels(method, votes, num_classes=3)
    assert soft.shape == (200, 3)
    assert soft.dtype == np.float32
    np.testing.assert_allclose(soft.sum(1), 1, atol=1e-5)
    assert ((soft >= 0) & (soft <= 1)).all()
    single = (votes == labels[:, None]).mean(0).max()
    assert (soft.argmax(1) == labels).mean() > single


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("mv", lambda votes: majority_vote(votes, 3, seed=5)),
        ("t-mean", lambda votes: TripletModel(3, "mean").fit(votes).predict_proba(votes)),
        ("t-median", lambda votes: TripletModel(3, "median").fit(votes).predict_proba(votes)),
        ("dawid-skene", lambda votes: DawidSkene(3).fit(votes).predict_proba(votes)),
    ],
)
def test_methods_are_the_models_of_their_names(method, expected):
    votes, _ = random_votes()
    np.testing.assert_allclose(pseudolabels(method, votes, 3, seed=5), expected(votes), atol=1e-6)


@pytest.mark.parametrize("method", sorted(LABEL_MODELS))
def test_equal_seeds_give_equal_labels(method):
    votes, _ = random_votes(rows=80)
    first, second = (pseudolabels(method, votes, 3, seed=2) for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_snorkel_repeats_and_leaves_the_global_seeds_alone():
    votes, _ = random_votes(rows=50)
    torch.manual_seed(3)
    np.random.seed(3)
    expected = torch.rand(1).item(), np.random.rand()
    torch.manual_seed(3)
    np.random.seed(3)
    first, second = (pseudolabels("snorkel", votes, 3, seed=1) for _ in range(2))
    assert (torch.rand(1).item(), np.random.rand()) == expected
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("method", ["snorkel", "t-mean", "t-median"])
def test_some_methods_need_three_lfs(method):
    with pytest.raises(ConfigurationError, match="at least 3 labeling functions, got 2"):
        pseudolabels(method, np.zeros((5, 2), dtype=np.int64), 2)


def votes_on_a_rare_class():
    rng = np.random.default_rng(0)
    labels = (rng.random(2000) < 0.1).astype(np.int64)
    right = rng.random((2000, 4)) < 0.75
    return np.where(right, labels[:, None], 1 - labels[:, None]), labels


@pytest.mark.parametrize("method", sorted(LABEL_MODELS))
def test_every_method_takes_class_shares(method):
    votes, labels = votes_on_a_rare_class()
    without, told = (pseudolabels(method, votes, 2, class_balance=shares) for shares in (None, [0.9, 0.1]))
    if method == "dawid-skene":  # It estimates them where it is not told.
        assert abs(told[:, 1].mean() - 0.1) < 0.01
        assert (told.argmax(1) == labels).mean() > 0.9
    else:
        assert abs(told[:, 1].mean() - 0.1) < abs(without[:, 1].mean() - 0.1)
        assert (told.argmax(1) == labels).mean() > (without.argmax(1) == labels).mean()


@pytest.mark.parametrize("method", sorted(LABEL_MODELS))
def test_shares_must_be_one_for_each_class(method):
    with pytest.raises(ConfigurationError, match="must be 2 positive numbers"):
        label_model(method, 2, class_balance=[0.5, 0.3, 0.2])


def test_label_models_answer_on_votes_that_they_were_not_fitted_to():
    votes, labels = random_votes(rows=400)
    for method in LABEL_MODELS:
        posterior = label_model(method, 3).fit(votes[:300]).predict_proba(votes[300:])
        assert posterior.shape == (100, 3)
        np.testing.assert_allclose(posterior.sum(1), 1, atol=1e-6)
        assert (posterior.argmax(1) == labels[300:]).mean() > 0.7


def test_options_reach_the_model_and_others_are_refused():
    votes, _ = random_votes()
    missing = pseudolabels("dawid-skene", votes, 3, abstains="missing")
    np.testing.assert_allclose(missing, DawidSkene(3, "missing").fit(votes).predict_proba(votes), atol=1e-6)
    with pytest.raises(ConfigurationError, match="'mv' has no option 'abstains'"):
        label_model("mv", 3, abstains="missing")
    with pytest.raises(ConfigurationError, match="'dawid-skene' has no option 'smooth'"):
        label_model("dawid-skene", 3, smooth=1.0)


def test_snorkel_before_fit():
    with pytest.raises(NotFittedError, match="call fit first"):
        SnorkelModel(2).predict_proba(np.zeros((1, 3), dtype=np.int64))


def test_unknown_method_is_named():
    with pytest.raises(ConfigurationError, match=r"'mean' is not one of \['dawid-skene', 'mv', 'snorkel', 't-mean'"):
        pseudolabels("mean", np.zeros((5, 3), dtype=np.int64), 2)
