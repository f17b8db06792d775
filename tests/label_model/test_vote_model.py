import json
import logging
from dataclasses import replace

import numpy as np
import pytest
from snorkel.synthetic.synthetic_data import generate_simple_label_matrix

from lol_lightning.exceptions import VotesError
from lol_lightning.label_model.conditionals import fit_conditionals
from lol_lightning.label_model.prior import default_prior_rows
from lol_lightning.label_model.settings import train_config
from lol_lightning.label_model.vote_model import estimate_vote_model

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


def test_prior_counts_as_one_row_under_a_posterior_and_as_many_votes_in_the_em():
    np.testing.assert_array_equal(estimate(LABELS).conditionals, estimate(LABELS, prior_rows=1.0).conditionals)
    held, loose = (fit_conditionals(VOTES, BALANCE, prior_rows=rows) for rows in (default_prior_rows(VOTES), 1.0))
    np.testing.assert_allclose(estimate(None).conditionals, held)
    assert np.abs(loose - held).max() > 0.05


@pytest.mark.parametrize("posterior", [None, LABELS])
def test_l2_adds_its_share_of_the_rows_to_the_prior(posterior):
    wanted = estimate(posterior, prior_rows=4.0).conditionals
    np.testing.assert_allclose(estimate(posterior, prior_rows=3.0, l2=0.2).conditionals, wanted)


def twins(votes, copied):
    """Votes in which LFs copy others, so that they depend on each other."""
    return np.hstack([votes, votes[:, copied]])


@pytest.mark.parametrize(
    ("num_rows", "copied", "evidence"), [(2000, [], True), (2000, [0, 1, 2], False), (999, [], False)]
)
def test_abstentions_are_evidence_where_enough_rows_show_lfs_to_be_independent(num_rows, copied, evidence, caplog):
    np.random.seed(0)
    votes = twins(generate_simple_label_matrix(4000, 8, 2)[2], copied)
    votes = votes[(votes != -1).any(1)][:num_rows]
    caplog.set_level(logging.INFO)
    config = train_config({"log_freq": 1000}, votes.shape[1], num_classes=2)
    model = estimate_vote_model(votes, BALANCE, None, config, verbose=True)
    wanted = fit_conditionals(votes, BALANCE, abstentions=evidence)
    np.testing.assert_allclose(model.conditionals, wanted)
    assert np.abs(fit_conditionals(votes, BALANCE, abstentions=not evidence) - wanted).max() > 0.003
    verdicts = [r.message for r in caplog.records if "overlaps" in r.message]
    assert [message.rsplit(" ")[-1] for message in verdicts] == (
        [] if num_rows < 1000 else ["evidence" if evidence else "ignored"]
    )


def test_three_lfs_never_count_abstentions():
    np.random.seed(0)
    votes = generate_simple_label_matrix(3000, 3, 2)[2]
    model = estimate_vote_model(votes, BALANCE, None, train_config({}, 3, 2))
    np.testing.assert_allclose(model.conditionals, fit_conditionals(votes, BALANCE))


@pytest.mark.wrench
@pytest.mark.parametrize("name", ["youtube", "sms", "chemprot", "imdb", "yelp_7.6k", "agnews_24k"])
def test_lfs_of_real_sets_are_dependent(wrench_root, name, caplog):
    rows = json.loads((wrench_root / name / "train.json").read_text()).values()
    votes = np.array([row["weak_labels"] for row in rows])
    num_classes = votes.max() + 1
    caplog.set_level(logging.INFO)
    config = train_config({"log_freq": 1000}, votes.shape[1], num_classes)
    estimate_vote_model(votes, np.full(num_classes, 1 / num_classes), None, config, verbose=True)
    assert any("abstentions are ignored" in record.message for record in caplog.records)


def test_votes_are_checked_against_the_model():
    model = replace(estimate(None), class_balance=BALANCE)
    assert model.predict_proba(VOTES).shape == (5, 2)
    with pytest.raises(VotesError, match="L has 1 columns and the model was fitted on 3 LFs"):
        model.predict_proba(VOTES[:, :1])
    with pytest.raises(VotesError, match="vote 2"):
        model.predict_proba(VOTES + 1)
