import numpy as np
import pytest
import torch
from tiny_benchmark import write_wrench

from lol_lightning.baselines.pseudolabels import PSEUDOLABELS, pseudolabels
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.experiments.data import as_sets, forget, prepare
from lol_lightning.experiments.methods import METHODS, as_methods
from lol_lightning.losses.class_balance import balancing_weights
from lol_lightning.losses.weighting import VotesForWeights

SEEN = np.arange(20, 60)


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
    method, data = METHODS[name].resolve(prepared, SEEN), prepared.data
    train = method.train_data(prepared, SEEN[:5], seed=0)
    if name in PSEUDOLABELS:
        shares = (np.bincount(data.val_labels[SEEN]) + 1) / (len(SEEN) + 2) if name == "snorkel" else None
        expected = pseudolabels(name, data.train_votes, data.num_classes, seed=0, class_balance=shares)
        np.testing.assert_array_equal(train.votes[:, 0], expected)
        assert train.gradient_targets is None
    elif name == "valsup":
        assert train.votes[:, 0].tolist() == data.val_labels[SEEN[:5]].tolist()
        expected = prepared.val.__getitems__(SEEN[:5].tolist()).features
        torch.testing.assert_close(train.features.to_dense(), expected.to_dense())
    else:
        assert train is prepared.train


@pytest.mark.parametrize("name", METHODS)
def test_models_of_a_seed_start_from_the_same_weights(name, prepared):
    def weights(method):
        torch.manual_seed(3)
        method = method.resolve(prepared, SEEN)
        model = method.make_model(prepared, method.defaults, seed=3)
        return model, torch.cat([parameter.flatten() for parameter in model.network.parameters()])

    model, own = weights(METHODS[name])
    _, simple = weights(METHODS["lol-simple"])
    torch.testing.assert_close(own, simple)
    assert model.hparams["method"] == ("lol" if name in ("lol", "lol-sw") else "lol-simple")
    assert model.hparams["lr"] == METHODS[name].defaults["lr"]


def test_lf_weights_are_computed_once_from_the_rows_that_may_be_seen(prepared):
    (method,) = as_methods(["lol-accuracy"], {"lol-accuracy": {"method": "lol", "lf_weights": "accuracy"}})
    weights = method.resolve(prepared, SEEN).options["lf_weights"]
    votes, labels = prepared.data.val_votes[SEEN], prepared.data.val_labels[SEEN]
    voted = votes != -1
    expected = ((voted & (votes == labels[:, None])).sum(0) + 1) / (voted.sum(0) + 2)
    np.testing.assert_allclose(weights, expected / expected.mean())
    assert len(METHODS["lol-sw"].resolve(prepared, SEEN).options["lf_weights"]) == prepared.data.num_lfs


def test_shares_of_classes_come_from_the_rows_that_may_be_seen(prepared):
    labels = prepared.data.val_labels[SEEN]
    snorkel = METHODS["snorkel"].resolve(prepared, SEEN)
    np.testing.assert_allclose(snorkel.class_balance, (np.bincount(labels) + 1) / (len(SEEN) + 2))
    lol = METHODS["lol"].resolve(prepared, SEEN)
    soft = VotesForWeights(prepared.data.train_votes, 2).soft_votes()
    expected = balancing_weights(soft, np.bincount(labels) / len(SEEN), len(SEEN))
    np.testing.assert_allclose(lol.options["class_weights"], expected)


@pytest.mark.parametrize("name", METHODS)
def test_shares_of_classes_are_not_known_from_rows_drawn_class_by_class(name, prepared):
    method = METHODS[name].resolve(prepared, SEEN, drawn_by_class=True)
    assert method.class_balance is None
    assert method.options.get("class_weights") is None


def test_shares_must_be_resolved_before_votes_are_fused(prepared):
    with pytest.raises(ConfigurationError, match="'snorkel' are not known yet"):
        METHODS["snorkel"].train_data(prepared, SEEN, seed=0)


def test_variants_change_options_ranges_and_starts():
    given = {"method": "lol", "gradient_unit": "probability", "c": 0.2, "ranges": {"c": [0.05, 0.4], "alpha": None}}
    (method,) = as_methods(None, {"lol-probability": given})
    assert method.name == "lol-probability"
    assert method.options["gradient_unit"] == "probability"
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
    assert settings["options"]["num_samples"] == 10
    assert settings["first_trial"]["lr"] == METHODS["lol"].defaults["lr"]
    assert not {"seed", "network", "alpha", "lr"} & set(settings["options"])


def test_default_methods():
    assert [method.name for method in as_methods(None)] == [name for name in METHODS if name != "valsup"]


@pytest.mark.parametrize(
    ("names", "variants", "message"),
    [
        (["mean"], None, "method 'mean' is not one of .*lol-simple, lol, lol-sw, valsup"),
        (["lol", "lol"], None, "each of them once"),
        ([], None, "name at least one"),
        (None, {"x": {"penalty": "linear"}}, "variant 'x' needs a `method`"),
        (None, {"x": {"method": "lol", "penality": "linear"}}, "sets 'penality', which LoLClassifier has not"),
        (None, {"x": {"method": "lol", "ranges": {"c": [2, 1]}}}, r"the range of 'c' in variant 'x' is \[2, 1\]"),
        (None, {"x": {"method": "lol", "sources": ["guessed"]}}, "has the source 'guessed'"),
    ],
)
def test_bad_names_and_variants(names, variants, message):
    with pytest.raises(ConfigurationError, match=message):
        as_methods(names, variants)


def test_settings_tell_numbers_that_the_data_decide_from_the_same_numbers_asked_for():
    fixed = {"ranges": {"alpha": None, "c": None}}
    by_data, asked = as_methods(
        None, {"by-data": {"method": "lol", **fixed}, "asked": {"method": "lol", "alpha": 1.0, "c": 0.2, **fixed}}
    )
    assert by_data.settings()["options"]["alpha"] == "the data module's, else 1.0"
    assert asked.settings()["options"]["alpha"] == 1.0
    assert METHODS["lol"].settings()["first_trial"]["c"] == "the data module's, else 0.2"
