import numpy as np
import pytest

from lol_lightning.exceptions import VotesError
from lol_lightning.label_model.settings import train_config
from lol_lightning.label_model.vote_model import VoteModel, estimate_vote_model

BALANCE = np.array([0.5, 0.5])
VOTES = np.array([[1, 1, -1], [0, 0, -1], [1, 1, 0], [0, -1, 0], [1, -1, 1]])
LABELS = np.eye(2)[[1, 0, 1, 0, 0]]


def estimate(posterior, prior_rows=None, **settings):
    config = train_config(settings, num_lfs=3, num_classes=2)
    return estimate_vote_model(VOTES, BALANCE, posterior, config, prior_rows)


def test_known_labels_give_the_shares_of_right_votes():
    model = estimate(LABELS, prior_rows=0.0)
    # Of class 1 (two rows) LF 0 gets both right; of class 0 (three rows) it votes 0, 0, 1.
    np.testing.assert_allclose(model.conditionals[0], [[0, 0], [2 / 3, 0], [1 / 3, 1]], atol=1e-5)
    np.testing.assert_allclose(model.weights[0], (2 / 3 + 1) / 2, atol=1e-5)


def test_prior_counts_as_one_row_under_a_posterior_and_as_many_in_the_em():
    np.testing.assert_array_equal(estimate(LABELS).conditionals, estimate(LABELS, prior_rows=1.0).conditionals)
    np.testing.assert_array_equal(estimate(None).conditionals, estimate(None, prior_rows=10 * 5**0.5).conditionals)


@pytest.mark.parametrize("posterior", [None, LABELS])
def test_l2_adds_its_share_of_the_rows_to_the_prior(posterior):
    wanted = estimate(posterior, prior_rows=4.0).conditionals
    np.testing.assert_allclose(estimate(posterior, prior_rows=3.0, l2=0.2).conditionals, wanted)


def test_votes_are_checked_against_the_model():
    model = VoteModel(estimate(None).conditionals, BALANCE)
    assert model.predict_proba(VOTES).shape == (5, 2)
    with pytest.raises(VotesError, match="L has 1 columns and the model was fitted on 3 LFs"):
        model.predict_proba(VOTES[:, :1])
    with pytest.raises(VotesError, match="vote 2"):
        model.predict_proba(VOTES + 1)
