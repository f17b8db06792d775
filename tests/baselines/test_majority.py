import numpy as np
import pytest
import torch
from snorkel.labeling.model import MajorityLabelVoter

from lol_lightning.baselines.majority import majority_probabilities, majority_vote, vote_counts


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
