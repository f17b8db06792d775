import json
from dataclasses import replace

import numpy as np
import pytest
from tiny_benchmark import write_wrench

from lol_lightning.baselines.pseudolabels import LABEL_MODELS, label_model
from lol_lightning.baselines.variants import candidates, choose_variant
from lol_lightning.data.options import ClassShares
from lol_lightning.experiments.data import as_sets, forget, prepare
from lol_lightning.experiments.label_models import FirstLabels, known_shares, variant_for
from lol_lightning.experiments.methods import METHODS
from lol_lightning.experiments.plan import Budget
from lol_lightning.experiments.run import run_benchmark
from lol_lightning.losses import LabeledVotes

LABELED = np.arange(20, 60)
BASELINES = [*LABEL_MODELS, "e2e"]


@pytest.fixture(scope="module")
def wrench(tmp_path_factory):
    yield write_wrench(tmp_path_factory.mktemp("data") / "toy")
    forget()


@pytest.fixture(scope="module")
def prepared(wrench):
    return prepare(as_sets([wrench])[0], None, seed=0)


def test_first_labels_are_a_prior_times_a_softened_vote():
    votes, shares = np.array([[0, 1, 1, -1], [-1, -1, -1, -1]]), np.array([0.8, 0.2])
    posterior = FirstLabels(2, shares).fit(votes).predict_proba(votes)
    support = np.exp(np.sqrt(4) * np.array([[1, 2], [0, 0]]) / 4) * shares
    np.testing.assert_allclose(posterior, support / support.sum(1, keepdims=True))


def test_known_shares_have_a_pseudo_row_of_each_class_unless_they_are_certain():
    votes = LabeledVotes(np.array([[0, 1]]), 3, np.zeros((5, 2), dtype=int), np.array([0, 0, 1, 0, 0]))
    np.testing.assert_allclose(known_shares(votes), [5 / 8, 2 / 8, 1 / 8])
    assert known_shares(replace(votes, drawn_by_class=True)) is None
    certain = known_shares(replace(votes, class_shares=ClassShares(np.array([0.7, 0.3, 0.0]))))
    np.testing.assert_allclose(certain, [0.7, 0.3, 0.0], atol=1e-5)
    assert min(certain) > 0


@pytest.mark.parametrize("name", BASELINES)
def test_every_baseline_is_chosen_by_one_rule(name, prepared):
    data = prepared.data
    shares = tuple((np.bincount(data.val_labels[LABELED]) + 1) / (len(LABELED) + 2))

    def make(variant):
        if name == "e2e":
            return FirstLabels(2, variant.class_balance)
        return label_model(name, 2, 0, variant.class_balance, **variant.options)

    votes = data.train_votes[(data.train_votes != -1).any(1)]
    expected = choose_variant(
        candidates(name, shares), make, votes, data.val_votes[LABELED], data.val_labels[LABELED], 2
    )
    method = METHODS[name].resolve(prepared, LABELED)
    assert (method.class_balance, method.label_options) == (expected.class_balance, expected.options)
    assert method.label_score == pytest.approx(expected.score, abs=1e-6)
    assert set(method.choices) == {"class_balance", "label_score", *expected.options}
    if name == "e2e":
        model = method.make_model(prepared, method.defaults, seed=0)
        balance = [0.5, 0.5] if expected.class_balance is None else expected.class_balance
        np.testing.assert_allclose(model.class_balance, balance, rtol=1e-6)


@pytest.mark.parametrize("name", BASELINES)
def test_rows_drawn_class_by_class_tell_no_shares_and_still_choose_the_mode(name, prepared):
    method = METHODS[name].resolve(prepared, LABELED, drawn_by_class=True)
    assert method.class_balance is None
    assert bool(method.label_options) == (name == "dawid-skene")
    if name == "dawid-skene":
        assert method.choices["abstains"] in ("outcome", "missing")


def test_without_labeled_rows_the_first_variant_stands(prepared):
    variant = variant_for("dawid-skene", prepared, np.empty(0, int), (0.5, 0.5))
    assert variant == candidates("dawid-skene", (0.5, 0.5))[0]


def test_options_that_are_set_are_not_chosen(prepared):
    fixed = replace(METHODS["dawid-skene"], label_options={"abstains": "missing"}).resolve(prepared, LABELED)
    assert fixed.label_options == {"abstains": "missing"}
    assert METHODS["dawid-skene"].settings()["label_options"] == {"abstains": ["outcome", "missing"]}
    assert replace(METHODS["dawid-skene"], label_options={"abstains": "missing"}).settings()["label_options"] == {
        "abstains": "missing"
    }


def test_methods_of_a_comparison_know_the_same_of_the_classes():
    assert {METHODS[name].knows for name in (*BASELINES, "lol-simple")} == {"votes, class shares"}
    assert METHODS["lol"].knows == "votes, class shares, words"
    assert METHODS["valsup"].knows == "labels"


def test_what_was_chosen_stands_beside_the_results(wrench, tmp_path):
    run_benchmark(
        [wrench],
        ["dawid-skene", "lol-simple"],
        budget=Budget(trials=1, epochs=1),
        seeds=1,
        output=tmp_path / "results.csv",
    )
    described = json.loads((tmp_path / "results.json").read_text())
    chosen = {line["method"]: line for line in described["chosen"]}
    assert chosen["dawid-skene"]["label_model"]["abstains"] in ("outcome", "missing")
    assert 0 <= chosen["dawid-skene"]["label_model"]["label_score"] <= 1
    assert "label_model" not in chosen["lol-simple"]
    assert described["methods"]["dawid-skene"]["class_balance"] == "validation"
    # A run that goes on from the store tells it, too.
    run_benchmark(
        [wrench], ["dawid-skene"], budget=Budget(trials=1, epochs=1), seeds=1, output=tmp_path / "results.csv"
    )
    assert json.loads((tmp_path / "results.json").read_text())["chosen"] == described["chosen"]
