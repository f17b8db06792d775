import numpy as np
import pytest

from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.losses.weights.class_balance import balancing_weights, checked_weights, class_balance_of


def test_class_balance_prefers_what_is_given_to_labels_to_uniform():
    np.testing.assert_allclose(class_balance_of([7, 3], [0, 1], 2), [0.7, 0.3])
    np.testing.assert_allclose(class_balance_of(None, np.array([0, 0, 1, 1, 0]), 2), [0.6, 0.4])
    np.testing.assert_allclose(class_balance_of(None, None, 4), [0.25] * 4)


@pytest.mark.parametrize("class_balance", [[1.0], [0.5, 0.0, 0.5], [0.5, float("nan"), 0.5], [0.6, -0.1, 0.5]])
def test_bad_class_balance(class_balance):
    with pytest.raises(ConfigurationError, match="3 positive numbers"):
        class_balance_of(class_balance, None, 3)


def test_bad_development_labels():
    with pytest.raises(DataError, match="no row of class 1"):
        class_balance_of(None, [0, 0, 2], 3)
    with pytest.raises(DataError, match=r"Y_dev has .*-1.* in row 1"):
        class_balance_of(None, [0, -1, 2], 3)


def soft(shares, num_rows=10_000):
    counts = (np.asarray(shares) * num_rows).astype(int)
    return np.repeat(np.eye(len(shares)), counts, axis=0)


def test_balanced_votes_have_the_shares_wanted():
    wanted = np.array([0.5, 0.3, 0.2])
    votes = soft([0.2, 0.3, 0.5])
    mass = votes.sum(0) * balancing_weights(votes, wanted)
    np.testing.assert_allclose(mass / len(votes), wanted, atol=2e-3)
    assert mass.sum() == pytest.approx(len(votes))


def test_balancing_weights_are_the_formula_and_keep_what_few_rows_say_small():
    votes = np.concatenate([soft([0.25, 0.75], 100), np.zeros((50, 2))])
    expected = np.array([(20 * 0.5 + 3) / (20 * 0.25 + 3), (20 * 0.5 + 3) / (20 * 0.75 + 3)])
    expected /= expected @ [0.25, 0.75]
    np.testing.assert_allclose(balancing_weights(votes, [0.5, 0.5], num_labeled=20), expected)
    np.testing.assert_allclose(
        balancing_weights(votes, [5, 5], num_labeled=10**6), balancing_weights(votes, [0.5, 0.5])
    )
    assert balancing_weights(np.zeros((4, 2)), [0.9, 0.1]).tolist() == [1, 1]


def test_a_class_without_votes_or_labels_gets_a_finite_weight():
    weights = balancing_weights(soft([0.5, 0.5, 0.0]), [0.5, 0.0, 0.5])
    assert np.isfinite(weights).all()
    assert (weights > 0).all()


@pytest.mark.parametrize(("shares", "message"), [([1.0], "2 classes"), ([0, 0], "not all 0"), ([2.0, -1.0], "-1.0")])
def test_bad_class_balance_is_named(shares, message):
    with pytest.raises(ConfigurationError, match=message):
        balancing_weights(soft([0.5, 0.5]), shares)


@pytest.mark.parametrize(
    ("weights", "name", "message"),
    [
        ([0, 0.0], "lf_weights", r"lf_weights = \[0.0, 0.0\]: with weights of 0 nothing is trained"),
        ([0], "class_weights", "with weights of 0 nothing is trained"),
        ({"a": 1}, "lf_weights", r"lf_weights = \{'a': 1\}; give a list of numbers"),
    ],
)
def test_weights_that_train_nothing_or_are_none_are_refused(weights, name, message):
    with pytest.raises(ConfigurationError, match=message):
        checked_weights(weights, name)
