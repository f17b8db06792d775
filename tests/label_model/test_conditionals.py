import json

import numpy as np
import pytest

from lol_lightning.label_model.conditionals import (
    class_posterior,
    estimate_conditionals,
    fit_conditionals,
    lf_accuracies,
)

BALANCE = {2: np.array([0.5, 0.5]), 4: np.array([0.4, 0.3, 0.2, 0.1])}


def random_table(num_lfs, num_classes, rng):
    """Conditionals of LFs that are better than chance."""
    table = rng.random((num_lfs, num_classes + 1, num_classes))
    table[:, 1:] += (num_classes - 1) * np.eye(num_classes)
    return table / table.sum(1, keepdims=True)


def draw(table, balance, num_rows, rng):
    """Labels and votes from the generative process that the model assumes."""
    labels = rng.choice(len(balance), num_rows, p=balance)
    cumulative = table.cumsum(1)[:, :, labels]
    votes = (rng.random((len(table), 1, num_rows)) > cumulative).sum(1).T - 1
    return labels, np.minimum(votes, len(balance) - 1)


def loop_posterior(votes, table, balance):
    result = np.zeros((len(votes), len(balance)))
    for row in range(len(votes)):
        for cls in range(len(balance)):
            result[row, cls] = balance[cls]
            for lf, vote in enumerate(votes[row]):
                if vote != -1:
                    result[row, cls] *= table[lf, vote + 1, cls]
        result[row] /= result[row].sum()
    return result


def loop_posterior_of_all_outcomes(votes, table, balance):
    """The same where an abstention is an outcome like a vote."""
    result = np.tile(balance, (len(votes), 1))
    for row in range(len(votes)):
        for lf, vote in enumerate(votes[row]):
            result[row] *= table[lf, vote + 1]
        result[row] /= result[row].sum()
    return result


def loop_estimate(votes, posterior, prior, prior_rows):
    num_lfs, num_classes = votes.shape[1], posterior.shape[1]
    table = np.zeros((num_lfs, num_classes + 1, num_classes))
    for lf in range(num_lfs):
        for cls in range(num_classes):
            for outcome in range(num_classes + 1):
                count = prior_rows[lf] * prior[lf, outcome, cls]
                for row in range(len(votes)):
                    count += posterior[row, cls] * (votes[row, lf] == outcome - 1)
                table[lf, outcome, cls] = count / (posterior[:, cls].sum() + prior_rows[lf])
    return table


@pytest.mark.parametrize("num_classes", [2, 4])
def test_posterior_and_estimate_equal_loops(num_classes):
    rng = np.random.default_rng(0)
    balance = BALANCE[num_classes]
    table = random_table(5, num_classes, rng)
    _, votes = draw(table, balance, 30, rng)
    posterior = class_posterior(votes, table, balance)
    np.testing.assert_allclose(posterior, loop_posterior(votes, table, balance), atol=1e-12)
    prior = random_table(5, num_classes, rng)
    for prior_rows in (3.0, np.array([0.5, 1.0, 2.0, 4.0, 8.0])):
        estimate = estimate_conditionals(votes, posterior, prior, prior_rows, floor=0.0)
        wanted = loop_estimate(votes, posterior, prior, np.broadcast_to(prior_rows, 5))
        np.testing.assert_allclose(estimate, wanted, atol=1e-12)


@pytest.mark.parametrize("abstentions", [False, True])
def test_every_step_of_em_equals_loops(abstentions):
    rng = np.random.default_rng(7)
    balance = BALANCE[4]
    _, votes = draw(random_table(4, 4, rng), balance, 40, rng)
    prior, rows = random_table(4, 4, rng), np.array([1.0, 2.0, 3.0, 4.0])
    believe = loop_posterior_of_all_outcomes if abstentions else loop_posterior
    posterior = believe(votes, prior, balance)
    for steps in (1, 2, 3):
        wanted = loop_estimate(votes, posterior, prior, rows)
        options = {"max_steps": steps, "tolerance": 0.0, "floor": 1e-12, "abstentions": abstentions}
        np.testing.assert_allclose(fit_conditionals(votes, balance, prior, rows, **options), wanted, atol=1e-9)
        posterior = believe(votes, wanted, balance)


def test_abstentions_as_evidence_mend_the_bias_where_lfs_are_independent():
    rng = np.random.default_rng(8)
    errors = {False: [], True: []}
    for _ in range(4):
        truth = random_table(10, 2, rng)
        _, votes = draw(truth, BALANCE[2], 10_000, rng)
        for abstentions, found in errors.items():
            found.append(np.abs(fit_conditionals(votes, BALANCE[2], abstentions=abstentions) - truth).mean())
    assert np.mean(errors[True]) < 0.007
    assert np.mean(errors[True]) < 0.8 * np.mean(errors[False])


@pytest.mark.parametrize("num_classes", [2, 4])
def test_em_finds_the_table_that_drew_the_votes(num_classes):
    rng = np.random.default_rng(1)
    balance = BALANCE[num_classes]
    truth = random_table(10, num_classes, rng)
    labels, votes = draw(truth, balance, 20_000, rng)
    table = fit_conditionals(votes, balance, prior_rows=1.0)
    assert np.abs(table - truth).mean() < 0.02
    accuracy = (class_posterior(votes, table, balance).argmax(1) == labels).mean()
    best = (class_posterior(votes, truth, balance).argmax(1) == labels).mean()
    assert accuracy > best - 0.01


def test_default_prior_matters_less_the_more_rows_there_are():
    rng = np.random.default_rng(2)
    truth = random_table(8, 2, rng)
    errors = []
    for num_rows in (200, 2_000, 50_000):
        _, votes = draw(truth, BALANCE[2], num_rows, rng)
        errors.append(np.abs(fit_conditionals(votes, BALANCE[2]) - truth).mean())
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02


def test_log_likelihood_under_full_coverage_never_falls():
    rng = np.random.default_rng(3)
    truth = random_table(6, 2, rng)
    truth[:, 0] = 0
    truth /= truth.sum(1, keepdims=True)
    _, votes = draw(truth, BALANCE[2], 500, rng)
    likelihoods = []
    for steps in range(1, 12):
        table = fit_conditionals(votes, BALANCE[2], prior_rows=0.0, max_steps=steps, tolerance=0.0, floor=1e-12)
        joint = 0.5 * np.prod(table[np.arange(6), votes + 1], axis=1)
        likelihoods.append(np.log(joint.sum(1)).sum())
    assert (np.diff(likelihoods) >= -1e-9).all()
    assert likelihoods[-1] > likelihoods[0]


def test_fit_is_deterministic_and_follows_a_permutation_of_the_lfs():
    rng = np.random.default_rng(4)
    _, votes = draw(random_table(5, 4, rng), BALANCE[4], 300, rng)
    table = fit_conditionals(votes, BALANCE[4])
    np.testing.assert_array_equal(table, fit_conditionals(votes, BALANCE[4]))
    order = np.array([3, 0, 4, 1, 2])
    np.testing.assert_allclose(fit_conditionals(votes[:, order], BALANCE[4]), table[order], atol=1e-9)


@pytest.mark.parametrize("num_lfs", [1, 2])
def test_one_or_two_lfs_keep_their_own_side(num_lfs):
    rng = np.random.default_rng(5)
    votes = rng.integers(-1, 2, (200, num_lfs))
    table = fit_conditionals(votes, BALANCE[2])
    assert (lf_accuracies(table, BALANCE[2]) > 0.5).all()
    posterior = class_posterior(np.array([[0] * num_lfs, [1] * num_lfs]), table, BALANCE[2])
    assert posterior.argmax(1).tolist() == [0, 1]


def test_floor_holds_and_columns_still_sum_to_one():
    votes = np.array([[0, -1], [0, -1], [1, -1]])
    table = fit_conditionals(votes, BALANCE[2], prior_rows=0.0, floor=0.1)
    assert table.min() == pytest.approx(0.1)
    np.testing.assert_allclose(table.sum(1), 1)


def test_lf_that_never_votes_is_at_chance_and_moves_nobody():
    votes = np.array([[0, -1], [0, -1], [1, -1], [1, -1]])
    table = fit_conditionals(votes, BALANCE[2])
    assert lf_accuracies(table, BALANCE[2])[1] == pytest.approx(0.5)
    alone, joined = class_posterior(np.array([[0, -1], [0, 1]]), table, BALANCE[2])
    np.testing.assert_allclose(alone, joined)


def test_a_thousand_agreeing_lfs_do_not_underflow():
    votes = np.repeat([[0], [1]], 1000, axis=1)
    posterior = class_posterior(votes, fit_conditionals(votes, BALANCE[2]), BALANCE[2])
    np.testing.assert_allclose(posterior, np.eye(2))


def test_steps_are_reported_until_nothing_moves():
    _, votes = draw(random_table(5, 2, np.random.default_rng(6)), BALANCE[2], 300, np.random.default_rng(6))
    changes = []
    fit_conditionals(votes, BALANCE[2], max_steps=1000, on_step=lambda step, change: changes.append((step, change)))
    assert [step for step, _ in changes] == list(range(len(changes)))
    assert len(changes) < 1000
    assert changes[-1][1] < 1e-6 < changes[-2][1]


@pytest.mark.wrench
@pytest.mark.parametrize(
    ("name", "least"),
    [("youtube", 0.88), ("sms", 0.965), ("chemprot", 0.52), ("imdb", 0.74), ("yelp_7.6k", 0.74), ("agnews_24k", 0.835)],
)
@pytest.mark.parametrize("shares", ["equal", "true"])
def test_accuracy_on_real_votes(wrench_root, name, least, shares):
    rows = json.loads((wrench_root / name / "train.json").read_text()).values()
    votes = np.array([row["weak_labels"] for row in rows])
    labels = np.array([row["label"] for row in rows])
    counts = np.bincount(labels) if shares == "true" else np.ones(labels.max() + 1)
    balance = counts / counts.sum()
    covered = (votes != -1).any(1)
    posterior = class_posterior(votes, fit_conditionals(votes, balance), balance)
    assert (posterior.argmax(1) == labels)[covered].mean() > least
