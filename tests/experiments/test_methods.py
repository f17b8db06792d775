import copy

import numpy as np
import pytest
import torch
from tiny_benchmark import write_wrench

from lol_lightning.baselines.pseudolabels import LABEL_MODELS, pseudolabels
from lol_lightning.data.options import ModelDefaults
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.data import Prepared, as_sets, forget, prepare
from lol_lightning.experiments.methods import METHODS, as_methods
from lol_lightning.losses import ExamplePenalty, GradientPenalty, LabeledVotes
from lol_lightning.losses.penalties import DEFAULT_ALPHA
from lol_lightning.losses.penalties.gradient_penalty import REACHABLE_C
from lol_lightning.losses.weights import lf_weights
from lol_lightning.losses.weights.class_balance import shrunken_shares

LABELED = np.arange(20, 60)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    yield prepare(as_sets([write_wrench(tmp_path_factory.mktemp("data") / "toy")])[0], None, seed=0)
    forget()


def test_order_is_that_of_the_papers_tables():
    pseudolabeled, others = ["mv", "snorkel", "t-mean", "t-median"], ["lol-simple", "lol", "lol-sw", "valsup"]
    assert list(METHODS) == [*pseudolabeled, "e2e", "dawid-skene", *others]


def test_every_method_that_trains_one_network_tunes_the_optimizer_in_the_same_range():
    optimizer = METHODS["lol-simple"].ranges
    assert set(optimizer) == {"lr", "weight_decay"}
    assert all(optimizer.items() <= m.ranges.items() for m in METHODS.values() if m.name != "e2e")
    assert set(METHODS["e2e"].ranges) - set(optimizer) == {"temperature"}
    assert set(METHODS["lol"].ranges) - set(optimizer) == {"alpha", "c"}
    assert METHODS["lol"].ranges == METHODS["lol-sw"].ranges


@pytest.mark.parametrize("name", METHODS)
def test_what_a_method_trains_on(name, prepared):
    method, data = METHODS[name].resolve(prepared, LABELED), prepared.data
    train = method.train_data(prepared, LABELED[:5], seed=0)
    if name in LABEL_MODELS:
        known = (np.bincount(data.val_labels[LABELED]) + 1) / (len(LABELED) + 2)
        assert method.class_balance is None or method.class_balance == pytest.approx(known)
        options = {"class_balance": method.class_balance, **method.label_options}
        covered = (data.train_votes != -1).any(1)
        expected = pseudolabels(name, data.train_votes[covered], data.num_classes, seed=0, **options)
        np.testing.assert_array_equal(train.votes[covered, 0], expected)
        assert train.gradient_targets is None
    elif name == "valsup":
        assert train.votes[:, 0].tolist() == data.val_labels[LABELED[:5]].tolist()
        expected = prepared.val.__getitems__(LABELED[:5].tolist()).features
        torch.testing.assert_close(train.features.to_dense(), expected.to_dense())
    else:
        assert train is prepared.train


@pytest.mark.parametrize("name", METHODS)
def test_models_of_a_seed_start_from_the_same_weights(name, prepared):
    def weights(method):
        torch.manual_seed(3)
        method = method.resolve(prepared, LABELED)
        model = method.make_model(prepared, method.defaults, seed=3)
        return model, torch.cat([parameter.flatten() for parameter in model.network.parameters()])

    model, own = weights(METHODS[name])
    _, simple = weights(METHODS["lol-simple"])
    torch.testing.assert_close(own, simple)
    assert model.hparams["method"] == ("lol" if name in ("lol", "lol-sw") else "lol-simple")
    assert model.hparams["lr"] == METHODS[name].defaults["lr"]


def test_lf_weights_are_computed_once_from_the_labeled_rows_of_the_study(prepared):
    (method,) = as_methods(["lol-accuracy"], {"lol-accuracy": {"method": "lol", "lf_weights": "accuracy"}})
    weights = method.resolve(prepared, LABELED).options["lf_weights"]
    votes, labels = prepared.data.val_votes[LABELED], prepared.data.val_labels[LABELED]
    voted = votes != -1
    expected = ((voted & (votes == labels[:, None])).sum(0) + 1) / (voted.sum(0) + 2)
    np.testing.assert_allclose(weights, expected / expected.mean(), rtol=1e-6)
    assert len(METHODS["lol-sw"].resolve(prepared, LABELED).options["lf_weights"]) == prepared.data.num_lfs


def test_class_shares_come_from_the_labeled_rows_of_the_study(prepared):
    labels = prepared.data.val_labels
    rows = np.concatenate([np.flatnonzero(labels == 0)[:18], np.flatnonzero(labels == 1)[:6]])
    balances = [METHODS[name].resolve(prepared, rows).class_balance for name in (*LABEL_MODELS, "e2e")]
    assert any(balance is not None for balance in balances)
    for balance in balances:
        assert balance is None or balance == pytest.approx([19 / 26, 7 / 26])
    soft = LabeledVotes(prepared.data.train_votes, 2).soft_votes()
    expected = shrunken_shares(soft, np.array([0.75, 0.25]), 24)
    for name in METHODS:
        resolved = METHODS[name].resolve(prepared, rows)
        # What labels tell of themselves is not pulled towards the votes.
        wanted = [0.75, 0.25] if name == "valsup" else expected
        np.testing.assert_allclose(resolved.options["class_shares"], wanted, rtol=1e-6)


@pytest.mark.parametrize("name", METHODS)
def test_rows_drawn_class_by_class_tell_no_class_shares(name, prepared):
    method = METHODS[name].resolve(prepared, LABELED, drawn_by_class=True)
    assert method.class_balance is None
    assert method.options.get("class_shares") in (None, "validation")
    assert method.make_model(prepared, method.defaults, seed=0).lol.class_shares is None


def test_shares_must_be_resolved_before_votes_are_fused(prepared):
    with pytest.raises(ConfigurationError, match="'snorkel' are not counted yet"):
        METHODS["snorkel"].train_data(prepared, LABELED, seed=0)


def test_variants_change_options_ranges_and_starts():
    penalty = {"unit": "log-odds", "c": 0.2}
    (method,) = as_methods(
        None, {"lol-log-odds": {"method": "lol", "penalty": penalty, "ranges": {"c": [0.05, 0.4], "alpha": None}}}
    )
    assert method.name == "lol-log-odds"
    assert method.options["penalty"] == penalty
    assert method.ranges == {**METHODS["lol-simple"].ranges, "c": (0.05, 0.4)}
    assert method.defaults["c"] == 0.2
    assert "alpha" not in method.defaults


def test_ranges_hold_for_all_methods_that_tune_the_argument_but_variants_with_their_own():
    variants = {"x": {"method": "lol", "ranges": {"lr": [0.1, 0.2]}}, "y": {"method": "lol"}}
    narrow = {"lr": (1e-4, 1e-2)}
    x, y, e2e, mv = as_methods(["x", "y", "e2e", "mv"], variants, narrow)
    assert x.ranges["lr"] == (0.1, 0.2)
    assert y.ranges == {**METHODS["lol"].ranges, **narrow}
    assert e2e.ranges == {**METHODS["e2e"].ranges, **narrow}
    assert mv.ranges == {**METHODS["mv"].ranges, **narrow}
    assert as_methods(["mv"], None, {"c": (0.1, 0.2)}) == [METHODS["mv"]]
    with pytest.raises(ConfigurationError, match="no method tunes 'momentum'"):
        as_methods(["mv"], None, {"momentum": (0.1, 0.2)})
    with pytest.raises(ConfigurationError, match="the range of 'lr' is"):
        as_methods(["mv"], None, {"lr": (0.1,)})


def test_settings_tell_every_argument_so_that_a_changed_default_is_another_method():
    settings = METHODS["lol"].settings()
    assert settings["options"]["penalty"]["init_args"]["num_samples"] == 10
    assert settings["first_trial"]["lr"] == METHODS["lol"].defaults["lr"]
    assert not {"seed", "network", "alpha", "lr"} & set(settings["options"])
    assert not {"seed", "alpha", "c"} & set(settings["options"]["penalty"]["init_args"])


def test_default_methods():
    assert [method.name for method in as_methods(None)] == [name for name in METHODS if name != "valsup"]


@pytest.mark.parametrize(
    ("names", "variants", "message"),
    [
        (["mean"], None, "method 'mean' is not one of .*lol-simple, lol, lol-sw, valsup"),
        (["lol", "lol"], None, "each of them once"),
        ([], None, "name at least one"),
        (None, {"x": {"penalty": {"hinge": "linear"}}}, "variant 'x' needs a `method`"),
        (None, {"x": {"method": "lol", "penality": {}}}, "sets 'penality', which LoLClassifier has not"),
        (None, {"x": {"method": "lol", "penalty": {"hing": 1}}}, "variant 'x': GradientPenalty: .*hing"),
        (None, {"x": {"method": "lol", "penalty": {"hinge": "round"}}}, "variant 'x': hinge = 'round'"),
        (None, {"x": {"method": "lol-simple", "alpha": 1.0}}, "sets 'alpha', which LoLClassifier has not"),
        (None, {"x": {"method": "lol", "penalty": "linear"}}, "penalty = 'linear': write its arguments"),
        (None, {"x": {"method": "mv", "penalty": {}}}, "sets 'penalty', which LoLClassifier has not"),
        (None, {"x": {"method": "lol", "ranges": {"c": [2, 1]}}}, r"the range of 'c' in variant 'x' is \[2, 1\]"),
        (None, {"x": {"method": "lol", "sources": ["guessed"]}}, "has the source 'guessed'"),
    ],
)
def test_bad_names_and_variants(names, variants, message):
    with pytest.raises(ConfigurationError, match=message):
        as_methods(names, variants)


def test_settings_tell_numbers_that_the_data_decide_from_the_same_numbers_of_a_variant():
    fixed = {"ranges": {"alpha": None, "c": None}}
    by_data, by_variant = as_methods(
        None, {"by-data": {"method": "lol", **fixed}, "fixed": {"method": "lol", "alpha": 1.0, "c": 0.2, **fixed}}
    )
    numbers = [method.settings()["options"]["penalty"]["init_args"]["alpha"] for method in (by_data, by_variant)]
    assert numbers == [f"the data module's, else {DEFAULT_ALPHA}", 1.0]
    assert METHODS["lol"].settings()["first_trial"]["c"] == f"the data module's, else {REACHABLE_C}"


@pytest.mark.parametrize("nested", [False, True])
def test_a_penalty_by_class_path_takes_tuned_numbers(nested, prepared):
    penalty = {"hinge": "linear", "weights": "accuracy"}
    if nested:
        penalty = {"class_path": "lol_lightning.losses.GradientPenalty", "init_args": penalty}
    (method,) = as_methods(None, {"x": {"method": "lol", "penalty": penalty, "c": 0.3}})
    assert method.defaults["c"] == 0.3
    resolved = method.resolve(prepared, LABELED)
    assert resolved.defaults["alpha"] == METHODS["lol"].resolve(prepared, LABELED).defaults["alpha"] > 0
    model = resolved.make_model(prepared, {**resolved.defaults, "alpha": 2.5}, seed=7)
    arguments = model.lol.penalty.init_args()
    assert (arguments["hinge"], arguments["alpha"], arguments["c"], arguments["seed"]) == ("linear", 2.5, 0.3, 7)
    votes = LabeledVotes.of(prepared.data).restricted_to(LABELED, drawn_by_class=False)
    np.testing.assert_allclose(arguments["weights"], lf_weights("accuracy", votes, scaled=False), rtol=1e-6)


def test_targets_of_each_row_get_the_penalty_that_reads_them_and_the_data_modules_numbers(prepared):
    class Images(type(prepared.data)):
        has_example_targets = True
        model_defaults = ModelDefaults(alpha=0.7, c=0.4, lf_weights="coverage", penalty_weights="uniform")

    data = copy.copy(prepared.data)
    data.__class__ = Images
    images = Prepared(data)
    method = METHODS["lol"].resolve(images, LABELED)
    model = method.make_model(images, method.defaults, seed=0)
    assert isinstance(model.lol.penalty, ExamplePenalty)
    assert (model.lol.penalty.alpha, model.lol.penalty.c) == (0.7, 0.4)
    assert model.lol.penalty.weights == [1.0] * data.num_lfs
    assert len(set(method.options["lf_weights"])) > 1
    plain = METHODS["lol"].resolve(prepared, LABELED).make_model(prepared, METHODS["lol"].defaults, seed=0)
    assert isinstance(plain.lol.penalty, GradientPenalty)
