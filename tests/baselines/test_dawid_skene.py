import json

import numpy as np
import oracles
import pytest
from toy import draw_votes

from lol_lightning.baselines.dawid_skene import DawidSkene
from lol_lightning.exceptions import ConfigurationError, NotFittedError, VotesError

ABSTAINS = ["outcome", "missing"]
BALANCE = {2: [0.4, 0.6], 3: [0.5, 0.3, 0.2]}


def random_tables(num_lfs, num_classes, seed=0):
    """LFs that are better than chance, each in its own way, and abstain more in some classes than in others."""
    tables = np.random.default_rng(seed).random((num_lfs, num_classes, num_classes + 1))
    tables[:, range(num_classes), range(num_classes)] += 1.5
    return tables / tables.sum(2, keepdims=True)


def drawn(num_rows, num_classes=3, num_lfs=6):
    return draw_votes(random_tables(num_lfs, num_classes), BALANCE[num_classes], num_rows)


def outcomes_of(abstains, num_classes):
    return [*range(num_classes), -1] if abstains == "outcome" else list(range(num_classes))


@pytest.mark.parametrize("num_classes", [2, 3])
def test_tables_that_drew_the_votes_are_recovered(num_classes):
    tables = random_tables(8, num_classes)
    labels, votes = draw_votes(tables, BALANCE[num_classes], 20_000)
    model = DawidSkene(num_classes).fit(votes)
    np.testing.assert_allclose(model.confusions_, tables, atol=0.04)
    np.testing.assert_allclose(model.class_balance_, BALANCE[num_classes], atol=0.02)
    joint = [oracles.dawid_skene_joint(row, BALANCE[num_classes], tables, [*range(num_classes), -1]) for row in votes]
    best = (np.argmax(joint, axis=1) == labels).mean()
    assert (model.predict_proba(votes).argmax(1) == labels).mean() > best - 0.005


@pytest.mark.parametrize("num_classes", [2, 3])
def test_confusions_among_votes_are_recovered_where_abstains_are_missing_at_random(num_classes):
    tables = random_tables(8, num_classes)
    tables[..., -1] = 0.3
    tables[..., :-1] *= 0.7 / tables[..., :-1].sum(2, keepdims=True)
    _, votes = draw_votes(tables, BALANCE[num_classes], 20_000)
    model = DawidSkene(num_classes, "missing").fit(votes)
    np.testing.assert_allclose(model.confusions_, tables[..., :-1] / 0.7, atol=0.04)
    np.testing.assert_allclose(model.class_balance_, BALANCE[num_classes], atol=0.02)


@pytest.mark.parametrize("abstains", ABSTAINS)
@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_every_step_equals_loops_over_rows(abstains, smoothing):
    _, votes = drawn(60)
    outcomes = outcomes_of(abstains, 3)
    posterior = np.array([[max((row == cls).sum(), 1e-300) for cls in range(3)] for row in votes])
    posterior = posterior / posterior.sum(1, keepdims=True)
    for steps in (1, 2, 3):
        shares, confusions = oracles.dawid_skene_estimates(votes, posterior, outcomes, smoothing)
        joint = np.array([oracles.dawid_skene_joint(row, shares, confusions, outcomes) for row in votes])
        model = DawidSkene(3, abstains, smoothing, max_steps=steps, tolerance=0).fit(votes)
        np.testing.assert_allclose(model.confusions_, confusions, atol=1e-10)
        np.testing.assert_allclose(model.class_balance_, shares)
        posterior = joint / joint.sum(1, keepdims=True)
        np.testing.assert_allclose(model.predict_proba(votes), posterior, atol=1e-10)
        if smoothing == 0:
            np.testing.assert_allclose(model.objective_[-1], np.log(joint.sum(1)).sum())


@pytest.mark.parametrize("abstains", ABSTAINS)
@pytest.mark.parametrize("smoothing", [0.0, 0.1, 5.0])
@pytest.mark.parametrize("kind", ["model", "noise"])
def test_objective_never_falls(abstains, smoothing, kind):
    votes = drawn(400)[1] if kind == "model" else np.random.default_rng(1).integers(-1, 3, (400, 6))
    objective = DawidSkene(3, abstains, smoothing, max_steps=200, tolerance=0).fit(votes).objective_
    assert len(objective) > 10
    assert (np.diff(objective) >= -1e-8).all()
    assert objective[-1] > objective[0] + 1


@pytest.mark.parametrize("abstains", ABSTAINS)
@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_known_shares_stand_in_place_of_the_estimated_ones(abstains, smoothing):
    _, votes = drawn(60)
    outcomes, known = outcomes_of(abstains, 3), np.array([0.2, 0.3, 0.5])
    posterior = np.array([[max((row == cls).sum(), 1e-300) for cls in range(3)] for row in votes])
    posterior = posterior / posterior.sum(1, keepdims=True)
    for steps in (1, 2, 3):
        _, confusions = oracles.dawid_skene_estimates(votes, posterior, outcomes, smoothing)
        joint = np.array([oracles.dawid_skene_joint(row, known, confusions, outcomes) for row in votes])
        model = DawidSkene(3, abstains, smoothing, max_steps=steps, tolerance=0, class_balance=2 * known).fit(votes)
        np.testing.assert_allclose(model.confusions_, confusions, atol=1e-10)
        np.testing.assert_allclose(model.class_balance_, known)
        posterior = joint / joint.sum(1, keepdims=True)
        np.testing.assert_allclose(model.predict_proba(votes), posterior, atol=1e-10)
    objective = DawidSkene(3, abstains, smoothing, tolerance=0, max_steps=50, class_balance=known).fit(votes).objective_
    assert (np.diff(objective) >= -1e-8).all()


def test_fit_stops_where_nothing_is_gained():
    _, votes = drawn(400)
    full = DawidSkene(3, max_steps=2000, tolerance=0).fit(votes).objective_
    short = DawidSkene(3, tolerance=1e-4).fit(votes).objective_
    assert len(short) < len(full) <= 2000
    assert short[-1] - short[-2] <= 1e-4 * 400 < short[-2] - short[-3]
    np.testing.assert_array_equal(short, full[: len(short)])


@pytest.mark.parametrize("abstains", ABSTAINS)
def test_lfs_and_classes_may_change_places(abstains):
    _, votes = drawn(300)
    posterior = DawidSkene(3, abstains).fit(votes).predict_proba(votes)
    order = [4, 2, 0, 5, 1, 3]
    reordered = DawidSkene(3, abstains).fit(votes[:, order]).predict_proba(votes[:, order])
    np.testing.assert_allclose(reordered, posterior, atol=1e-6)
    renamed = np.array([2, 0, 1, -1])[votes]
    swapped = DawidSkene(3, abstains).fit(renamed).predict_proba(renamed)
    np.testing.assert_allclose(swapped[:, [2, 0, 1]], posterior, atol=1e-6)


def test_lf_that_never_votes_is_uniform_or_always_silent():
    votes = np.hstack([drawn(200)[1], np.full((200, 1), -1)])
    np.testing.assert_allclose(DawidSkene(3, "missing", smoothing=0.0).fit(votes).confusions_[-1], 1 / 3)
    np.testing.assert_allclose(DawidSkene(3, smoothing=0.0).fit(votes).confusions_[-1], [[0, 0, 0, 1]] * 3)
    expected = DawidSkene(3).fit(votes[:, :-1]).predict_proba(votes[:, :-1])
    np.testing.assert_allclose(DawidSkene(3).fit(votes).predict_proba(votes), expected, atol=1e-3)


def test_abstentions_tell_lfs_of_one_class_apart_and_missing_votes_do_not():
    tables = np.zeros((6, 2, 3))
    for lf in range(6):
        tables[lf, lf % 2, lf % 2], tables[lf, 1 - lf % 2, lf % 2] = 0.6, 0.1
        tables[lf, :, 2] = 1 - tables[lf].sum(1)
    labels, votes = draw_votes(tables, [0.5, 0.5], 3000)
    covered = (votes != -1).any(1)
    labels, votes = labels[covered], votes[covered]
    accuracy = {
        abstains: (DawidSkene(2, abstains).fit(votes).predict_proba(votes).argmax(1) == labels).mean()
        for abstains in ABSTAINS
    }
    assert accuracy["outcome"] > 0.85
    assert accuracy["missing"] < 0.6


@pytest.mark.parametrize("abstains", ABSTAINS)
def test_one_lf_keeps_its_own_side_and_unseen_votes_are_not_ruled_out(abstains):
    votes = np.array([[0], [0], [1]])
    model = DawidSkene(3, abstains, smoothing=0.0).fit(votes)
    assert model.predict_proba(votes).argmax(1).tolist() == [0, 0, 1]
    unseen = model.predict_proba(np.array([[2], [-1]]))
    np.testing.assert_allclose(unseen.sum(1), 1)
    if abstains == "missing":
        np.testing.assert_allclose(unseen[1], model.class_balance_)


def test_rows_without_votes_and_a_thousand_lfs_are_no_trouble():
    votes = np.repeat([[0], [1], [-1]], 1000, axis=1)
    posterior = DawidSkene(2).fit(votes).predict_proba(votes)
    np.testing.assert_allclose(posterior.sum(1), 1)
    assert posterior[:2].argmax(1).tolist() == [0, 1]


def test_wrong_use_is_named():
    with pytest.raises(ConfigurationError, match="abstains = 'ignored'; use 'outcome' or 'missing'"):
        DawidSkene(2, "ignored")
    for name, value in (("num_classes", 1), ("smoothing", -1.0), ("max_steps", 0), ("tolerance", -0.1)):
        with pytest.raises(ConfigurationError, match=f"{name} = {value} must be at least"):
            DawidSkene(**{"num_classes": 2, name: value})
    with pytest.raises(ConfigurationError, match="must be 2 positive numbers"):
        DawidSkene(2, class_balance=[0.5, 0.3, 0.2])
    with pytest.raises(NotFittedError, match="call fit first"):
        DawidSkene(2).predict_proba(np.zeros((1, 3), dtype=int))
    with pytest.raises(VotesError, match="every LF abstains on each of the 4 rows"):
        DawidSkene(2).fit(np.full((4, 3), -1))
    _, votes = drawn(50)
    with pytest.raises(VotesError, match="expected -1"):
        DawidSkene(2).fit(votes)
    with pytest.raises(VotesError, match="4 columns and the model was fitted on 6 LFs"):
        DawidSkene(3).fit(votes).predict_proba(votes[:, :4])


@pytest.mark.wrench
def test_labels_of_a_real_set_are_found(wrench_root):
    rows = json.loads((wrench_root / "youtube" / "train.json").read_text()).values()
    votes = np.array([row["weak_labels"] for row in rows])
    labels = np.array([row["label"] for row in rows])
    covered = (votes != -1).any(1)
    posterior = DawidSkene(2).fit(votes[covered]).predict_proba(votes[covered])
    assert (posterior.argmax(1) == labels[covered]).mean() > 0.8
