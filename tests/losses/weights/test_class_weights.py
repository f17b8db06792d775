from dataclasses import replace

import numpy as np
import pytest
from toy import noisy_votes

from lol_lightning.data.base import ClassShares
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.losses.weights import LabeledVotes, class_weights
from lol_lightning.losses.weights.class_balance import balancing_weights


@pytest.fixture
def labeled():
    return noisy_votes()


def test_class_weights_by_name(labeled):
    shares = np.bincount(labeled.labels) / 100
    np.testing.assert_allclose(
        class_weights("validation", labeled), balancing_weights(labeled.soft_votes(), shares, num_labeled=100)
    )
    np.testing.assert_allclose(
        class_weights("balanced", labeled, np.arange(4.0)),
        balancing_weights(labeled.soft_votes(np.arange(4.0)), [1, 1]),
    )
    assert class_weights([1.0, 3.0], labeled).tolist() == [1, 3]
    assert class_weights(None, labeled) is None


def test_class_weights_of_validation_rows_need_rows_that_were_not_drawn_by_class(labeled):
    assert class_weights("validation", None) is None
    assert class_weights("validation", LabeledVotes(labeled.votes, 2)) is None
    assert (
        class_weights("validation", LabeledVotes(labeled.votes, 2, labeled.votes, labeled.labels, drawn_by_class=True))
        is None
    )


def test_class_weights_of_probabilities_are_those_of_what_a_model_is_trained_on(labeled):
    probabilities = np.full((*labeled.votes.shape, 2), 0.5)
    balanced = LabeledVotes(probabilities, 2, labeled.labeled_votes, 1 + 0 * labeled.labels)
    expected = balancing_weights(np.full((400, 2), 0.5), [0, 1], num_labeled=100)
    np.testing.assert_allclose(class_weights("validation", balanced), expected)


@pytest.mark.parametrize(
    ("weighting", "message"),
    [("best", "'best'; use one of"), ([1.0], "1 entries for 2 classes"), ([1.0, -2.0], "class_weights = .*-2.0")],
)
def test_bad_class_weights_are_named(labeled, weighting, message):
    with pytest.raises(ConfigurationError, match=message):
        class_weights(weighting, labeled)


def test_balanced_classes_need_votes():
    with pytest.raises(ConfigurationError, match="needs the votes on all training rows"):
        class_weights("balanced", None)


def test_shares_of_the_user_count_before_those_of_labeled_rows(labeled):
    certain = replace(labeled, class_shares=ClassShares(np.array([0.9, 0.1])))
    np.testing.assert_allclose(
        class_weights("validation", certain), balancing_weights(labeled.soft_votes(), [0.9, 0.1], num_labeled=None)
    )


def test_fewer_labeled_rows_count_their_own_shares(labeled):
    rows = np.arange(10)
    few = labeled.restricted_to(rows, drawn_by_class=False)
    assert few.shares_of_classes().num_labels == 10
    np.testing.assert_allclose(few.shares_of_classes().shares, np.bincount(labeled.labels[:10], minlength=2) / 10)
    assert labeled.restricted_to(rows, drawn_by_class=True).shares_of_classes() is None
    certain = replace(labeled, class_shares=ClassShares(np.array([0.9, 0.1])))
    assert certain.restricted_to(rows, drawn_by_class=True).shares_of_classes() is certain.class_shares
