import numpy as np
import oracles
import pytest
from toy import draw_votes, symmetric_tables

from lol_lightning.baselines.majority import majority_probabilities
from lol_lightning.baselines.triplets import MAX_PAIRS, TripletModel, triplet_estimates, vote_marginals
from lol_lightning.exceptions import ConfigurationError, NotFittedError, VotesError

AVERAGES = ["mean", "median"]
ACCURACIES = [0.9, 0.8, 0.75, 0.7, 0.65, 0.85]
COVERAGES = [0.9, 0.5, 1.0, 0.7, 0.8, 0.6]


def drawn(num_rows=20_000, num_classes=2, balance=None, seed=0):
    balance = [1 / num_classes] * num_classes if balance is None else balance
    return draw_votes(symmetric_tables(ACCURACIES, COVERAGES, num_classes), balance, num_rows, seed)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("balance", [[0.5, 0.5], [0.3, 0.7]])
def test_accuracies_of_the_lfs_that_drew_the_votes_are_recovered(average, balance):
    _, votes = drawn(balance=balance)
    model = TripletModel(2, average, class_balance=balance).fit(votes)
    np.testing.assert_allclose(model.accuracies_, [ACCURACIES] * 2, atol=0.03)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("num_classes", [2, 3])
def test_accuracies_and_posterior_equal_loops_over_triplets_and_linear_systems(average, num_classes):
    balance = {2: [0.4, 0.6], 3: [0.5, 0.2, 0.3]}[num_classes]
    _, votes = drawn(150, num_classes, balance)
    model = TripletModel(num_classes, average, class_balance=balance).fit(votes)
    coverage = (votes != -1).mean(0)
    expected = np.zeros((len(votes), num_classes))
    for cls in range(num_classes):
        agreements = [oracles.triplet_agreement(votes, lf, cls, average) for lf in range(votes.shape[1])]
        agreements = np.minimum(agreements, 0.98 * coverage)
        np.testing.assert_allclose(model.accuracies_[cls], (1 + agreements / coverage) / 2)
        for row in range(0, len(votes), 10):
            log_odds = oracles.triplet_log_odds(votes, row, cls, agreements, balance[cls], np.log(99))
            expected[row, cls] = 1 / (1 + np.exp(-log_odds))
    expected = expected[::10] / expected[::10].sum(1, keepdims=True)
    np.testing.assert_allclose(model.predict_proba(votes[::10]), expected, rtol=1e-6)


@pytest.mark.parametrize("average", AVERAGES)
@pytest.mark.parametrize("num_classes", [2, 4])
def test_posterior_is_almost_as_good_as_with_the_true_accuracies(average, num_classes):
    labels, votes = drawn(num_classes=num_classes)
    posterior = TripletModel(num_classes, average).fit(votes).predict_proba(votes)
    weights = np.log((num_classes - 1) * np.array(ACCURACIES) / (1 - np.array(ACCURACIES)))
    best = ((votes[:, :, None] == np.arange(num_classes)) * weights[:, None]).sum(1)
    assert (posterior.argmax(1) == labels).mean() > (best.argmax(1) == labels).mean() - 0.01
    assert (posterior.argmax(1) == labels).mean() > (
        majority_probabilities(votes, num_classes).argmax(1) == labels
    ).mean()


def test_for_two_classes_one_against_the_rest_is_the_method_as_published():
    _, votes = drawn(500)
    model = TripletModel(2).fit(votes)
    np.testing.assert_allclose(model.accuracies_[0], model.accuracies_[1])
    np.testing.assert_allclose(model.evidence_[0], -model.evidence_[1, ::-1], atol=1e-9)
    log_odds = model.evidence_[1]
    expected = np.where(votes == 1, log_odds[0], np.where(votes == 0, log_odds[1], 0)).sum(1)
    np.testing.assert_allclose(model.predict_proba(votes)[:, 1], 1 / (1 + np.exp(-expected)))


@pytest.mark.parametrize("average", AVERAGES)
def test_lfs_and_classes_may_change_places(average):
    _, votes = drawn(400, 3)
    posterior = TripletModel(3, average).fit(votes).predict_proba(votes)
    order = [3, 0, 5, 1, 4, 2]
    np.testing.assert_allclose(TripletModel(3, average).fit(votes[:, order]).predict_proba(votes[:, order]), posterior)
    renamed = np.array([2, 0, 1, -1])[votes]
    swapped = TripletModel(3, average).fit(renamed).predict_proba(renamed)
    np.testing.assert_allclose(swapped[:, [2, 0, 1]], posterior)


def test_class_balance_is_what_rows_without_votes_get():
    _, votes = drawn(200, 3)
    nothing = np.full((1, len(ACCURACIES)), -1)
    np.testing.assert_allclose(TripletModel(3).fit(votes).predict_proba(nothing), [[1 / 3] * 3])
    model = TripletModel(3, class_balance=[2, 1, 1]).fit(votes)
    np.testing.assert_allclose(model.predict_proba(nothing), [[0.5, 0.25, 0.25]])


def test_moments_of_zero_give_no_estimate():
    moments = np.array([[1.0, 0.2, 0.0, 0.1], [0.2, 1.0, 0.3, 0.4], [0.0, 0.3, 1.0, 0.2], [0.1, 0.4, 0.2, 1.0]])
    estimates = triplet_estimates(moments, *np.triu_indices(4, 1))
    usable = ~np.isnan(estimates)
    # Of the triplets of LF 0 only the one without LF 2, which it never meets, is left.
    assert usable.sum(1).tolist() == [1, 2, 1, 2]
    assert estimates[0][usable[0]] == pytest.approx((0.2 * 0.1 / 0.4) ** 0.5)


def test_lf_that_meets_no_other_takes_the_mean_accuracy():
    _, votes = drawn(1000)
    votes = np.hstack([votes, np.full((1000, 2), -1)])
    alone = np.full((50, 8), -1)
    alone[:, 6] = 1
    model = TripletModel(2).fit(np.vstack([votes, alone]))
    known = model.accuracies_[0, :6]
    np.testing.assert_allclose(model.accuracies_[0, 6:], known.mean())
    assert model.predict_proba(alone[:1])[0, 1] > 0.55


def test_lfs_that_never_meet_are_all_taken_at_snorkels_precision():
    votes = np.full((30, 3), -1)
    for lf in range(3):
        votes[lf::3, lf] = lf % 2
    model = TripletModel(2).fit(votes)
    np.testing.assert_allclose(model.accuracies_, 0.7)
    np.testing.assert_array_equal(model.predict_proba(votes).argmax(1), votes.max(1))


def test_lf_that_never_votes_changes_nothing():
    _, votes = drawn(300)
    with_silent = np.hstack([votes, np.full((300, 1), -1)])
    expected = TripletModel(2).fit(votes).predict_proba(votes)
    np.testing.assert_allclose(TripletModel(2).fit(with_silent).predict_proba(with_silent), expected)


def test_lfs_that_know_one_class_each_are_told_apart():
    tables = np.zeros((6, 2, 3))
    for lf in range(6):
        tables[lf, lf % 2, lf % 2] = [0.5, 0.5, 0.4, 0.4, 0.6, 0.6][lf]
        tables[lf, 1 - lf % 2, lf % 2] = 0.05
        tables[lf, :, 2] = 1 - tables[lf].sum(1)
    labels, votes = draw_votes(tables, [0.5, 0.5], 5000)
    covered = (votes != -1).any(1)
    posterior = TripletModel(2).fit(votes[covered]).predict_proba(votes[covered])
    assert (posterior.argmax(1) == labels[covered]).mean() > 0.88


def test_perfect_lfs_are_clipped_and_many_of_them_do_not_overflow():
    labels = np.arange(400) % 3
    votes = np.repeat(labels[:, None], 60, axis=1)
    model = TripletModel(3).fit(votes)
    np.testing.assert_allclose(model.accuracies_, 0.99)
    posterior = model.predict_proba(votes)
    np.testing.assert_allclose(posterior, np.eye(3)[labels], atol=1e-12)
    assert np.isfinite(np.log(posterior.max(1))).all()


def test_triplets_are_drawn_by_seed_where_there_are_too_many():
    accuracies = np.linspace(0.6, 0.9, 150)
    _, votes = draw_votes(symmetric_tables(accuracies, np.full(150, 0.5), 2), [0.5, 0.5], 4000)
    assert 150 * 149 / 2 > MAX_PAIRS
    one, again, other = (TripletModel(2, "median", seed=seed).fit(votes).accuracies_[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()
    np.testing.assert_allclose(one, accuracies, atol=0.08)


def test_marginals_meet_their_equations():
    agreement, coverage, positive = np.array([0.3, 0.1]), np.array([0.5, 0.2]), np.array([0.2, 0.2])
    (both, false_alarm), (miss, neither) = vote_marginals(agreement, coverage, positive, 0.4)
    np.testing.assert_allclose(both + false_alarm, positive)
    np.testing.assert_allclose(both + miss, 0.4 * coverage)
    np.testing.assert_allclose(false_alarm + neither, 0.6 * coverage)
    np.testing.assert_allclose(both + neither - false_alarm - miss, agreement)


@pytest.mark.parametrize("num_lfs", [1, 2])
def test_two_lfs_are_too_few(num_lfs):
    with pytest.raises(ConfigurationError, match=f"at least 3 labeling functions, got {num_lfs}: use the majority"):
        TripletModel(2).fit(np.zeros((5, num_lfs), dtype=int))


def test_wrong_use_is_named():
    with pytest.raises(ConfigurationError, match=r"average = 'mode'; use one of \['mean', 'median'\]"):
        TripletModel(2, "mode")
    with pytest.raises(ConfigurationError, match="num_classes = 1"):
        TripletModel(1)
    with pytest.raises(ConfigurationError, match="class_balance"):
        TripletModel(2, class_balance=[1.0, 0.0])
    with pytest.raises(NotFittedError, match="call fit first"):
        TripletModel(2).predict_proba(np.zeros((1, 3), dtype=int))
    with pytest.raises(VotesError, match="every LF abstains on each of the 4 rows"):
        TripletModel(2).fit(np.full((4, 3), -1))
    _, votes = drawn(50)
    with pytest.raises(VotesError, match="expected -1"):
        TripletModel(2).fit(votes + 1)
    with pytest.raises(VotesError, match="4 columns and the model was fitted on 6 LFs"):
        TripletModel(2).fit(votes).predict_proba(votes[:, :4])
