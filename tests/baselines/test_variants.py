import json

import numpy as np
import pytest
from toy import draw_votes

from lol_lightning.baselines.pseudolabels import LABEL_MODELS, label_model
from lol_lightning.baselines.variants import Variant, candidates, choose_variant


class Fixed:
    """A label model that says the same of every row, and counts how it is used."""

    def __init__(self, cls):
        self.cls = cls

    def fit(self, votes):
        self.fitted_to = len(votes)
        return self

    def predict_proba(self, votes):
        return np.tile(np.eye(2)[self.cls], (len(votes), 1))


VOTES = np.array([[1, 1, -1], [0, -1, -1], [-1, -1, -1], [1, 0, -1], [-1, -1, -1]])
LABELS = np.array([1, 1, 0, 1, 0])


def test_rows_without_a_vote_do_not_choose():
    variants = [Variant(options={"cls": 0}), Variant(options={"cls": 1})]
    chosen = choose_variant(variants, lambda v: Fixed(v.options["cls"]), VOTES, VOTES, LABELS, 2)
    assert chosen == Variant(None, {"cls": 1}, score=1.0)
    # Without votes on labeled rows, nothing tells them apart.
    empty = np.full((3, 3), -1)
    assert choose_variant(variants, lambda v: Fixed(v.options["cls"]), VOTES, empty, LABELS[:3], 2) is variants[0]


def test_the_first_of_equals_is_taken():
    variants = [Variant((0.5, 0.5)), Variant()]
    assert choose_variant(variants, lambda v: Fixed(1), VOTES, VOTES, LABELS, 2).class_balance == (0.5, 0.5)


def test_the_score_that_trials_are_chosen_by_chooses_variants():
    """9 rows of class 0 and 1 of class 1: one variant says 0 throughout, the other finds the rare class."""
    votes, labels = np.zeros((10, 3), dtype=int), np.array([0] * 9 + [1])

    class Finds(Fixed):
        def predict_proba(self, votes):
            return np.eye(2)[[0] * 7 + [1, 1, 1]]

    def make(variant):
        return Fixed(0) if variant.class_balance else Finds(0)

    variants = [Variant((0.9, 0.1)), Variant()]
    assert choose_variant(variants, make, votes, votes, labels, 2, "accuracy").class_balance == (0.9, 0.1)
    assert choose_variant(variants, make, votes, votes, labels, 2, "mcc").class_balance is None
    assert choose_variant(variants, make, votes, votes, labels, 2, "macro_f1").class_balance is None


def test_ties_of_a_posterior_count_in_part():
    class Ties(Fixed):
        def predict_proba(self, votes):
            return np.full((len(votes), 2), 0.5)

    votes, labels = np.zeros((2000, 1), dtype=int), np.zeros(2000, dtype=int)
    chosen = choose_variant([Variant((0.5, 0.5)), Variant()], lambda v: Ties(0), votes, votes, labels, 2)
    assert chosen.score == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize("method", sorted(LABEL_MODELS))
def test_each_method_has_the_choice_between_shares_and_none(method):
    balances = [variant.class_balance for variant in candidates(method, [0.4, 0.6])]
    assert set(balances) == {(0.4, 0.6), None}
    assert {variant.class_balance for variant in candidates(method, None)} == {None}


def test_dawid_and_skene_take_abstentions_as_the_labels_tell():
    rng = np.random.default_rng(0)
    informative = np.zeros((6, 2, 3))
    for lf in range(6):
        informative[lf, lf % 2, lf % 2], informative[lf, 1 - lf % 2, lf % 2] = 0.6, 0.1
        informative[lf, :, 2] = 1 - informative[lf].sum(1)
    labels, votes = draw_votes(informative, [0.5, 0.5], 1200)

    def make(variant):
        return label_model("dawid-skene", 2, class_balance=variant.class_balance, **variant.options)

    chosen = choose_variant(candidates("dawid-skene", None), make, votes[200:], votes[:200], labels[:200], 2)
    assert chosen.options == {"abstains": "outcome"}
    # Here all LFs abstain together on rows of no particular class.
    labels = rng.integers(0, 2, 1200)
    votes = np.where(rng.random((1200, 6)) < 0.7, labels[:, None], 1 - labels[:, None])
    silent = rng.random(1200) < 0.5
    votes[silent[:, None] & (rng.random(votes.shape) < 0.8)] = -1
    chosen = choose_variant(candidates("dawid-skene", None), make, votes[200:], votes[:200], labels[:200], 2)
    assert chosen.options == {"abstains": "missing"}


@pytest.mark.wrench
@pytest.mark.parametrize(("name", "least"), [("sms", 0.85), ("imdb", 0.73), ("youtube", 0.85), ("agnews_24k", 0.8)])
def test_dawid_and_skene_lose_no_set_to_their_mode(wrench_root, name, least):
    def read(split):
        rows = json.loads((wrench_root / name / f"{split}.json").read_text()).values()
        return np.array([row["weak_labels"] for row in rows]), np.array([row["label"] for row in rows])

    (train, _), (val, labels) = read("train"), read("valid")
    num_classes = int(labels.max()) + 1
    shares = (np.bincount(labels) + 1) / (len(labels) + num_classes)

    def make(variant):
        return label_model("dawid-skene", num_classes, class_balance=variant.class_balance, **variant.options)

    variants = candidates("dawid-skene", shares)
    chosen = choose_variant(variants, make, train[(train != -1).any(1)], val, labels, num_classes)
    assert chosen.score > least
