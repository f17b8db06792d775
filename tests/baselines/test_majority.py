import numpy as np
import pytest
import torch
from snorkel.labeling.model import MajorityLabelVoter

from lol_lightning.baselines.majority import (
    MajorityVote,
    break_ties,
    majority_probabilities,
    majority_vote,
    vote_counts,
)
from lol_lightning.exceptions import ConfigurationError, NotFittedError, VotesError
from lol_lightning.losses import LabeledVotes
from lol_lightning.losses.weights.class_balance import balancing_weights


@pytest.mark.parametrize(("num_lfs", "num_classes"), [(1, 2), (4, 2), (6, 3), (20, 7)])
def test_probabilities_are_snorkels(num_lfs, num_classes):
    votes = np.random.default_rng(num_lfs).integers(-1, num_classes, (300, num_lfs))
    expected = MajorityLabelVoter(cardinality=num_classes).predict_proba(votes)
    np.testing.assert_array_equal(majority_probabilities(votes, num_classes), expected)


def test_labels_are_snorkels_where_nothing_ties():
    votes = np.random.default_rng(0).integers(-1, 3, (500, 5))
    expected = MajorityLabelVoter(cardinality=3).predict(votes, tie_break_policy="abstain")
    labels = majority_vote(votes, 3)
    assert labels.dtype == np.float32
    assert set(np.unique(labels)) == {0, 1}
    np.testing.assert_array_equal(labels.sum(1), 1)
    clear = expected != -1
    assert 50 < clear.sum() < 450
    np.testing.assert_array_equal(labels.argmax(1)[clear], expected[clear])


def test_ties_go_to_each_of_the_tied_classes_equally_often():
    votes = np.tile([[0, 2, -1, -1], [-1, -1, -1, -1]], (10_000, 1))
    labels = majority_vote(votes, 3)
    np.testing.assert_allclose(labels[::2].mean(0), [0.5, 0, 0.5], atol=0.02)
    np.testing.assert_allclose(labels[1::2].mean(0), [1 / 3] * 3, atol=0.02)


def test_ties_follow_the_seed_alone():
    votes = np.tile([[0, 1]], (200, 1))
    torch.manual_seed(3)
    np.random.seed(3)
    first = majority_vote(votes, 2, seed=1)
    drawn = np.random.rand()
    np.random.seed(3)
    assert np.random.rand() == drawn
    np.testing.assert_array_equal(majority_vote(votes, 2, seed=1), first)
    assert (majority_vote(votes, 2, seed=2) != first).any()


def test_order_of_the_lfs_does_not_matter_and_classes_carry_over():
    rng = np.random.default_rng(1)
    votes = rng.integers(-1, 4, (200, 6))
    np.testing.assert_array_equal(majority_vote(votes[:, rng.permutation(6)], 4), majority_vote(votes, 4))
    renamed = np.array([2, 0, 3, 1, -1])[votes]
    np.testing.assert_array_equal(majority_probabilities(renamed, 4)[:, [2, 0, 3, 1]], majority_probabilities(votes, 4))


def test_counts_of_a_class_that_nobody_votes_are_zero():
    np.testing.assert_array_equal(vote_counts(np.array([[0, 0, -1], [2, -1, 2]]), 4), [[2, 0, 0, 0], [0, 0, 2, 0]])


def test_known_shares_weight_votes_as_those_of_lol_are_weighted():
    rng = np.random.default_rng(2)
    votes = rng.choice([-1, 0, 1, 2], (500, 5), p=[0.3, 0.5, 0.1, 0.1])
    shares = [0.2, 0.3, 0.5]
    weights = balancing_weights(LabeledVotes(votes, 3).soft_votes(), shares)
    model = MajorityVote(3, shares).fit(votes)
    np.testing.assert_allclose(model.class_weights_, weights)
    support = np.array([[weights[cls] * (row == cls).sum() for cls in range(3)] for row in votes])
    covered = support.any(1)
    chosen = model.predict_proba(votes)
    np.testing.assert_array_equal(chosen[covered].argmax(1), support[covered].argmax(1))
    np.testing.assert_allclose(chosen[~covered], 1 / 3)


def test_without_shares_a_label_model_of_the_majority_is_the_majority():
    votes = np.random.default_rng(3).integers(-1, 3, (200, 4))
    model = MajorityVote(3).fit(votes)
    assert model.class_weights_ is None
    np.testing.assert_array_equal(model.predict_proba(votes), majority_probabilities(votes, 3))
    np.testing.assert_array_equal(break_ties(model.predict_proba(votes), seed=4), majority_vote(votes, 3, seed=4))


def test_wrong_use_of_the_label_model_is_named():
    with pytest.raises(ConfigurationError, match="must be 2 positive numbers"):
        MajorityVote(2, [1.0, 0.0])
    with pytest.raises(NotFittedError, match="call fit first"):
        MajorityVote(2).predict_proba(np.zeros((1, 3), dtype=int))
    fitted = MajorityVote(2).fit(np.zeros((4, 3), dtype=int))
    with pytest.raises(VotesError, match="2 columns and the model was fitted on 3 LFs"):
        fitted.predict_proba(np.zeros((4, 2), dtype=int))
