from dataclasses import replace

import numpy as np
import pytest
from toy import noisy_votes

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.losses.class_balance import balancing_weights
from lol_lightning.losses.resolve import class_weights, defaults_of, resolve_penalty, resolve_weights
from lol_lightning.losses.weighting import VotesForWeights, lf_weights


@pytest.fixture
def given():
    return noisy_votes()


def test_class_weights_by_name(given):
    shares = np.bincount(given.labels) / 100
    np.testing.assert_allclose(
        class_weights("validation", given), balancing_weights(given.soft_votes(), shares, num_labeled=100)
    )
    np.testing.assert_allclose(
        class_weights("balanced", given, np.arange(4.0)), balancing_weights(given.soft_votes(np.arange(4.0)), [1, 1])
    )
    assert class_weights([1.0, 3.0], given).tolist() == [1, 3]
    assert class_weights(None, given) is None


def test_class_weights_of_validation_rows_need_rows_that_were_not_drawn_by_class(given):
    assert class_weights("validation", None) is None
    assert class_weights("validation", VotesForWeights(given.votes, 2)) is None
    assert (
        class_weights("validation", VotesForWeights(given.votes, 2, given.votes, given.labels, drawn_by_class=True))
        is None
    )


def test_class_weights_of_probabilities_are_those_of_what_a_model_is_trained_on(given):
    probabilities = np.full((*given.votes.shape, 2), 0.5)
    balanced = VotesForWeights(probabilities, 2, given.labeled_votes, 1 + 0 * given.labels)
    expected = balancing_weights(np.full((400, 2), 0.5), [0, 1], num_labeled=100)
    np.testing.assert_allclose(class_weights("validation", balanced), expected)


@pytest.mark.parametrize(
    ("weighting", "message"),
    [("best", "'best'; use one of"), ([1.0], "1 entries for 2 classes"), ([1.0, -2.0], "class_weights = .*-2.0")],
)
def test_bad_class_weights_are_named(given, weighting, message):
    with pytest.raises(ConfigurationError, match=message):
        class_weights(weighting, given)


def test_balanced_classes_need_votes():
    with pytest.raises(ConfigurationError, match="needs a data module"):
        class_weights("balanced", None)


def test_penalties_take_the_weights_of_the_votes_unless_told_otherwise(given):
    asked = {"lf_weights": "coverage", "penalty_weights": None, "class_weights": None}
    resolved = resolve_weights(asked, given)
    assert resolved["penalty_weights"] is resolved["lf_weights"]
    np.testing.assert_allclose(resolved["lf_weights"], lf_weights("coverage", given))
    above = {"lf_weights": "above-chance", "penalty_weights": "above-chance"}
    by_data = resolve_weights(asked, given, above)
    np.testing.assert_allclose(by_data["lf_weights"], lf_weights("coverage", given))
    np.testing.assert_allclose(by_data["penalty_weights"], lf_weights("above-chance", given, scaled=False))
    named = resolve_weights({**asked, "penalty_weights": "uniform"}, given, above)
    assert named["penalty_weights"] is None


def test_weights_that_are_not_asked_for_are_those_of_the_data_module(given):
    asked = dict.fromkeys(("lf_weights", "penalty_weights", "class_weights"))
    assert resolve_weights(asked, given) == asked
    above = {"lf_weights": "above-chance", "penalty_weights": "above-chance"}
    by_data = resolve_weights(asked, given, above)
    np.testing.assert_allclose(by_data["lf_weights"], lf_weights("above-chance", given))
    np.testing.assert_allclose(by_data["penalty_weights"], lf_weights("above-chance", given, scaled=False))


def test_known_shares_of_the_classes_count_before_those_of_labeled_rows(given):
    known = replace(given, class_balance=np.array([0.9, 0.1]))
    np.testing.assert_allclose(
        class_weights("validation", known), balancing_weights(given.soft_votes(), [0.9, 0.1], num_labeled=None)
    )


@pytest.mark.parametrize(
    ("asked", "defaults", "expected"),
    [
        ({"alpha": None, "c": None}, None, {"alpha": 1.0, "c": 0.2}),
        ({"alpha": None, "c": None}, {"alpha": 0.3, "lf_weights": "coverage"}, {"alpha": 0.3, "c": 0.2}),
        ({"alpha": 0.0, "c": 0.7, "lr": 0.1}, {"alpha": 0.3, "c": 0.5}, {"alpha": 0.0, "c": 0.7}),
    ],
)
def test_the_penalty_is_as_asked_for_then_as_the_data_say_then_by_default(asked, defaults, expected):
    assert resolve_penalty(asked, defaults) == expected


class Told:
    def __init__(self, **model_defaults):
        self.model_defaults = model_defaults


def test_what_a_data_module_says_is_plain_and_known():
    assert defaults_of(object()) == defaults_of(Told()) == defaults_of(Told(alpha=None)) == {}
    said = defaults_of(Told(alpha=0.5, lf_weights=np.array([1.0, 2.0]), penalty_weights="uniform"))
    assert said == {"alpha": 0.5, "lf_weights": [1.0, 2.0], "penalty_weights": "uniform"}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"lr": 0.5}, "model_defaults has 'lr'; a data module can say alpha, c, lf_weights, penalty_weights"),
        ({"alpha": -1.0}, "alpha = -1.0 must not be below 0"),
        ({"c": 0.0}, "c = 0.0 must be above 0"),
    ],
)
def test_what_a_data_module_cannot_say_is_named(said, message):
    with pytest.raises(ConfigurationError, match=message):
        defaults_of(Told(**said))
