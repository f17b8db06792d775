import numpy as np
import pytest

from lol_lightning.label_model.conditionals import class_posterior, lf_accuracies
from lol_lightning.label_model.prior import default_prior_rows, floored, prior_conditionals

EQUAL = np.array([0.5, 0.5])


def random_votes(num_rows, num_lfs, num_classes, coverage=0.5, seed=0):
    rng = np.random.default_rng(seed)
    votes = rng.integers(0, num_classes, (num_rows, num_lfs))
    votes[rng.random(votes.shape) > coverage] = -1
    return votes


def test_prior_votes_as_often_as_the_lfs_and_is_right_as_often_as_told():
    votes = np.array([[0, 1], [0, 0], [1, -1], [1, -1]])
    prior = prior_conditionals(votes, EQUAL, np.array([0.7, 0.9]))
    np.testing.assert_allclose(prior.mean(2)[:, 1:], [[0.5, 0.5], [0.25, 0.25]], atol=1e-5)
    np.testing.assert_allclose(lf_accuracies(prior, EQUAL), [0.7, 0.9], atol=1e-4)


@pytest.mark.parametrize("balance", [[0.5, 0.3, 0.2], [0.9, 0.07, 0.03], [1 / 3, 1 / 3, 1 / 3]])
def test_odds_of_a_vote_are_those_of_the_precision_and_more_for_a_rarer_class(balance):
    balance, votes = np.array(balance), random_votes(400, 3, 3, coverage=0.3)
    prior = prior_conditionals(votes, balance, np.array([0.7, 0.6, 0.9]), floor=0.0)
    for lf, precision in enumerate([0.7, 0.6, 0.9]):
        for own in range(3):
            for other in {0, 1, 2} - {own}:
                odds = prior[lf, own + 1, own] / prior[lf, own + 1, other]
                wanted = 2 * precision / (1 - precision) * max(1, balance[other] / balance[own])
                assert odds == pytest.approx(wanted)
    np.testing.assert_allclose(prior.sum(1), 1)
    rates = np.array([[(votes[:, lf] == cls).mean() for cls in range(3)] for lf in range(3)])
    kept = prior[:, 1:] @ balance / rates
    # Votes for a class that is rarer than they are cannot all be right, so that their LF is taken to vote less.
    np.testing.assert_allclose(kept, kept[:, :1] * np.ones(3))
    assert (kept < 0.5).all() if balance[0] == 0.9 else kept == pytest.approx(1)


def test_a_vote_for_the_frequent_class_does_not_speak_against_it():
    votes, balance = random_votes(1000, 2, 2, coverage=0.2), np.array([0.87, 0.13])
    frequent, rare = class_posterior(np.array([[0, -1], [1, -1]]), prior_conditionals(votes, balance), balance)
    assert frequent[0] > 0.87
    assert rare[1] == pytest.approx(0.7)


@pytest.mark.parametrize("balance", [[0.5, 0.5], [0.2, 0.8], [0.8, 0.2]])
def test_an_lf_that_votes_everywhere_keeps_its_odds_and_stays_a_distribution(balance):
    prior = prior_conditionals(np.ones((50, 1), dtype=int), np.array(balance), floor=0.0)
    assert prior[0, 2, 1] / prior[0, 2, 0] == pytest.approx(7 / 3 * max(1, balance[0] / balance[1]))
    np.testing.assert_allclose(prior.sum(1), 1)
    assert prior.min() >= 0
    assert prior[0, 2, 1] == pytest.approx(1)


@pytest.mark.parametrize("precision", [0.0, 1.0])
def test_certain_precisions_stay_within_the_floor(precision):
    prior = prior_conditionals(np.array([[0], [1], [-1]]), EQUAL, precision, floor=0.01)
    assert prior.min() == pytest.approx(0.01)
    np.testing.assert_allclose(prior.sum(1), 1)
    assert (prior[0, 1, 0] > prior[0, 1, 1]) == (precision == 1)


def test_prior_counts_as_a_number_of_votes_of_each_lf_that_grows_with_the_root_of_the_rows():
    votes = np.full((1600, 3), -1)
    votes[:900, 0], votes[:90, 1] = 1, 0
    rows = default_prior_rows(votes)
    np.testing.assert_allclose(rows * [900 / 1600, 90 / 1600, 1 / 1600], 1.5 * 30)
    # An LF that never votes has a prior, too.
    assert np.isfinite(rows).all()
    fourfold = default_prior_rows(np.repeat(votes, 4, axis=0))
    np.testing.assert_allclose(fourfold[:2], 2 * rows[:2])


def test_floored_tables_still_sum_to_one():
    table = np.array([[[0.0, 0.5], [0.25, 0.5], [0.75, 0.0]]])
    raised = floored(table, 0.1)
    np.testing.assert_allclose(raised.sum(1), 1)
    assert raised.min() == pytest.approx(0.1)
    assert floored(table, 0) is table
