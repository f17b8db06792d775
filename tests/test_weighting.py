import numpy as np
import pytest
from snorkel.labeling.model import LabelModel

from lol_lightning.class_balance import balancing_weights
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.weighting import VotesForWeights, class_weights, lf_weights, resolve_weights


@pytest.fixture
def given():
    generator = np.random.default_rng(0)
    labels = generator.integers(0, 2, 400)
    accuracy = np.array([0.95, 0.8, 0.6, 0.5])
    right = generator.random((400, 4)) < accuracy
    votes = np.where(right, labels[:, None], 1 - labels[:, None])
    votes[generator.random((400, 4)) < [0.1, 0.2, 0.3, 0.4]] = -1
    return VotesForWeights(votes, 2, votes[:100], labels[:100])


def test_uniform_weights_are_one(given):
    assert lf_weights("uniform", given).tolist() == [1, 1, 1, 1]


def test_coverage_and_accuracy_are_measured(given):
    coverage = (given.votes != -1).mean(0)
    np.testing.assert_allclose(lf_weights("coverage", given), coverage / coverage.mean())
    weights = lf_weights("accuracy", given)
    assert weights.argsort().tolist() == [3, 2, 1, 0]
    voted = given.labeled_votes[:, 0] != -1
    correct = (given.labeled_votes[:, 0] == given.labels).sum()
    assert weights[0] / weights[3] > 1.5
    assert weights.mean() == pytest.approx(1)
    assert correct / voted.sum() > 0.9


def test_snorkel_weights_are_those_of_its_label_model(given):
    model = LabelModel(cardinality=2, verbose=False)
    model.fit(given.votes, seed=0, progress_bar=False)
    expected = model.get_weights()
    np.testing.assert_allclose(lf_weights("snorkel", given), expected / expected.mean())


def test_given_weights_are_taken_as_they_are(given):
    assert lf_weights([0.0, 1, 2, 5], given).tolist() == [0, 1, 2, 5]


@pytest.mark.parametrize(
    ("weighting", "message"),
    [
        ("best", "'best'; use one of"),
        ([1.0, 2.0], "2 entries for 4 LFs"),
        ([1.0, 2.0, -3.0, 1.0], "-3.0"),
        ([1.0, 2.0, float("nan"), 1.0], "nan"),
    ],
)
def test_bad_weights_are_named(given, weighting, message):
    with pytest.raises(ConfigurationError, match=message):
        lf_weights(weighting, given)


def test_accuracy_needs_labeled_rows(given):
    with pytest.raises(ConfigurationError, match="labeled `val`"):
        lf_weights("accuracy", VotesForWeights(given.votes, 2))


def test_snorkel_needs_three_lfs(given):
    with pytest.raises(ConfigurationError, match="at least 3 LFs, there are 2"):
        lf_weights("snorkel", VotesForWeights(given.votes[:, :2], 2))


def test_above_chance_is_zero_for_guesses_and_one_for_a_perfect_lf():
    labels = np.tile([0, 1], 200)
    rng = np.random.default_rng(0)
    votes = np.stack([labels, rng.integers(0, 2, 400), 1 - labels], axis=1)
    weights = lf_weights("above-chance", VotesForWeights(votes, 2, votes, labels), scaled=False)
    assert weights[0] == pytest.approx(1, abs=0.01)
    assert weights[1] < 0.1
    assert weights[2] == 0


def test_agreement_needs_no_labels():
    labels = np.tile([0, 1], 200)
    right = np.random.default_rng(0).random((400, 5)) < [0.9, 0.9, 0.9, 0.9, 0.5]
    votes = np.where(right, labels[:, None], 1 - labels[:, None])
    votes[::3, 0] = -1
    weights = lf_weights("agreement", VotesForWeights(votes, 2), scaled=False)
    assert (weights[:4] > 0.5).all()
    assert weights[4] < 0.2


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
    assert class_weights("validation", VotesForWeights(given.votes, 2, given.votes, given.labels, None, True)) is None


def test_class_weights_of_probabilities_are_those_of_what_a_model_is_trained_on(given):
    probabilities = np.full((*given.votes.shape, 2), 0.5)
    balanced = VotesForWeights(given.votes, 2, given.labeled_votes, 1 + 0 * given.labels, probabilities)
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


def test_votes_count_alike_where_no_lf_exceeds_guessing(given):
    labels = np.array([0, 1] * 9)
    bad = VotesForWeights(given.votes[:, :2], 2, np.stack([1 - labels] * 2, axis=1), labels)
    assert lf_weights("above-chance", bad).tolist() == [1, 1]
    assert lf_weights("above-chance", bad, scaled=False).tolist() == [0, 0]
