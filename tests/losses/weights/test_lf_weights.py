from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from snorkel.labeling.model import LabelModel
from toy import noisy_votes

from lol_lightning.exceptions import ConfigurationError
from lol_lightning.losses.weights.lf_weights import LF_WEIGHTS, LabeledVotes, lf_weights


@pytest.fixture
def given():
    return noisy_votes()


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
        lf_weights("accuracy", LabeledVotes(given.votes, 2))


def test_snorkel_needs_three_lfs(given):
    with pytest.raises(ConfigurationError, match="at least 3 LFs, there are 2"):
        lf_weights("snorkel", LabeledVotes(given.votes[:, :2], 2))


def test_above_chance_is_zero_for_guesses_and_one_for_a_perfect_lf():
    labels = np.tile([0, 1], 200)
    rng = np.random.default_rng(0)
    votes = np.stack([labels, rng.integers(0, 2, 400), 1 - labels], axis=1)
    weights = lf_weights("above-chance", LabeledVotes(votes, 2, votes, labels), scaled=False)
    assert weights[0] == pytest.approx(1, abs=0.01)
    assert weights[1] < 0.1
    assert weights[2] == 0


def rare_class(num_rows, seed, share=0.13):
    """Labels with a rare class, and votes of LFs that guess, one of them for some rows only, then of three that know.

    The last two vote for the rare class alone, one always right and one on six of ten of its rows and 6% of the others.
    """
    rng = np.random.default_rng(seed)
    labels = (rng.random(num_rows) < share).astype(int)

    def lucky(chance):
        return rng.random(num_rows) < chance

    guesses = {
        "constant": np.zeros(num_rows, int),
        "rare constant": np.ones(num_rows, int),
        "constant on some rows": np.where(lucky(0.5), 0, -1),
        "coin": np.where(lucky(0.5), 1, 0),
        "coin at the base rate": np.where(lucky(share), 1, 0),
        "rare coin on some rows": np.where(lucky(0.2), 1, -1),
    }
    knowing = {
        "85% right": np.where(lucky(0.15), 1 - labels, labels),
        "precise": np.where((labels == 1) & lucky(0.5), 1, -1),
        "60% precise": np.where(lucky(np.where(labels == 1, 0.6, 0.06)), 1, -1),
    }
    return labels, np.stack([*guesses.values(), *knowing.values()], axis=1), len(guesses)


@pytest.mark.parametrize("num_rows", [100, 400, 2000])
@pytest.mark.parametrize("name", ["above-chance", "agreement"])
@pytest.mark.parametrize("share", [0.13, 0.5])
def test_constants_and_coins_have_no_weight_whatever_the_class_shares(name, num_rows, share):
    weights = []
    for seed in range(20):
        labels, votes, num_guesses = rare_class(num_rows, seed, share)
        weights.append(lf_weights(name, LabeledVotes(votes, 2, votes, labels), scaled=False))
    assert (np.mean(weights, axis=0)[:num_guesses] <= 0.05).all()
    if name == "above-chance":
        assert np.max(weights, axis=0)[:2].tolist() == [0, 0], "a constant that never abstains is exactly at chance"
        # The smallest sample has six rows of the rare class that the precise LF votes on.
        assert (np.mean(weights, axis=0)[num_guesses:] > (0.15 if num_rows == 100 else 0.4)).all()


def test_above_chance_is_the_lift_over_the_shares_of_votes():
    labels, votes, num_guesses = rare_class(20_000, 0)
    weights = lf_weights("above-chance", LabeledVotes(votes, 2, votes, labels), scaled=False)
    for column in (num_guesses, 3):
        kappa = cohen_kappa_score(votes[:, column], labels)
        assert weights[column] == pytest.approx(max(kappa, 0), abs=0.02)
    voted = votes[:, -1] == 1
    precision, share = labels[voted].mean(), labels.mean()
    assert 0.55 < precision < 0.65
    assert weights[-1] == pytest.approx((precision - share) / (1 - share), abs=0.02)
    assert weights[-2] > 0.99


@pytest.mark.parametrize("name", ["above-chance", "agreement"])
def test_chance_is_the_mean_over_shuffled_labels(name):
    """The oracle of chance: the same votes beside labels of other rows."""
    rng = np.random.default_rng(0)
    labels = rng.choice(3, size=60_000, p=[0.7, 0.2, 0.1])
    sets = rng.random((len(labels), 4, 3)) < [[[0.5, 0.4, 0.3]]]
    votes = sets / np.maximum(sets.sum(-1, keepdims=True), 1)
    weights = lf_weights(name, LabeledVotes(votes, 3, votes, labels), scaled=False)
    assert (weights < 0.01).all(), "independent votes for sets of classes are worth nothing"


def test_labels_of_one_class_show_nothing():
    votes = np.stack([np.zeros(50, int), np.tile([0, 1], 25)], axis=1)
    one_class = LabeledVotes(votes, 2, votes, np.zeros(50, int))
    assert lf_weights("above-chance", one_class, scaled=False).tolist() == [0, 0]
    assert lf_weights("above-chance", one_class).tolist() == [1, 1]


def test_an_lf_without_votes_on_labeled_rows_has_no_weight(given):
    labeled = given.labeled_votes.copy()
    labeled[:, 1] = -1
    weights = lf_weights("above-chance", replace(given, labeled_votes=labeled), scaled=False)
    assert weights[1] == 0
    assert weights[0] > 0.5


def test_agreement_counts_a_precise_lf_of_the_rare_class():
    labels, _, _ = rare_class(4000, 0)
    rng = np.random.default_rng(1)
    votes = np.where(rng.random((4000, 4)) < 0.1, 1 - labels[:, None], labels[:, None])
    rare = np.where(rng.random(4000) < np.where(labels == 1, 0.6, 0.06), 1, -1)
    constant = np.where(rng.random(4000) < 0.7, 0, -1)
    votes = np.column_stack([votes, rare, constant])
    weights = lf_weights("agreement", LabeledVotes(votes, 2), scaled=False)
    assert weights[4] > 0.4
    assert weights[5] < 0.05


def test_agreement_needs_no_labels():
    labels = np.tile([0, 1], 200)
    right = np.random.default_rng(0).random((400, 5)) < [0.9, 0.9, 0.9, 0.9, 0.5]
    votes = np.where(right, labels[:, None], 1 - labels[:, None])
    votes[::3, 0] = -1
    weights = lf_weights("agreement", LabeledVotes(votes, 2), scaled=False)
    assert (weights[:4] > 0.5).all()
    assert weights[4] < 0.2


def votes_for_halves(right):
    """Probabilities of LFs that each vote for two of four classes; ``right`` bool (n, m) says whether they hold y."""
    labels = np.arange(len(right)) % 4
    halves = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 0, 1], [0, 0, 1, 1]])
    side = np.where(right, halves[:, labels].T, 1 - halves[:, labels].T)
    return (halves.T[None] == side[:, None, :]).transpose(0, 2, 1) / 2, labels


@pytest.mark.parametrize("name", ["above-chance", "agreement"])
def test_lfs_that_vote_for_several_classes_are_judged_by_what_guessing_would_bring(name):
    right = np.ones((400, 5), dtype=bool)
    right[:, 4] = np.random.default_rng(0).random(400) < 0.5
    votes, labels = votes_for_halves(right)
    weights = lf_weights(name, LabeledVotes(votes, 4, votes, labels), scaled=False)
    assert (weights[:4] > (0.98 if name == "above-chance" else 0.4)).all()
    assert weights[4] < 0.2
    accuracies = lf_weights("accuracy", LabeledVotes(votes, 4, votes, labels))
    np.testing.assert_allclose(accuracies[4] / accuracies[0], (right[:, 4].sum() + 1) / 401)


def test_probabilities_of_two_classes_are_judged_as_the_class_that_they_vote_for(given):
    def soft(votes):
        return (votes[..., None] == np.arange(2)) * 0.6 + (votes[..., None] == 1 - np.arange(2)) * 0.4

    probable = replace(given, votes=soft(given.votes), labeled_votes=soft(given.labeled_votes))
    for name in LF_WEIGHTS:
        np.testing.assert_allclose(lf_weights(name, probable), lf_weights(name, given), err_msg=name)


def test_votes_count_alike_where_no_lf_exceeds_guessing(given):
    labels = np.array([0, 1] * 9)
    bad = LabeledVotes(given.votes[:, :2], 2, np.stack([1 - labels] * 2, axis=1), labels)
    assert lf_weights("above-chance", bad).tolist() == [1, 1]
    assert lf_weights("above-chance", bad, scaled=False).tolist() == [0, 0]
