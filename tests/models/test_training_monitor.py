import warnings

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from toy import NUM_CLASSES, NUM_FEATURES, loader, toy_batch, trainer_options

from lol_lightning import LoLClassifier, LoLDataModule, keyword_lf
from lol_lightning.baselines.end_to_end import EndToEndClassifier
from lol_lightning.data.options import Classes
from lol_lightning.functional import GradientTargets
from lol_lightning.losses import GradientPenalty, LoLLoss
from lol_lightning.models.penalty_norms import PenaltyNorms
from lol_lightning.models.training_monitor import (
    ClassSharesWarning,
    DeadPenaltyWarning,
    NotFiniteWarning,
    TrainingWarning,
    leaves_shares,
)

SIZES = {"num_features": NUM_FEATURES, "num_classes": NUM_CLASSES}


def fit(model, *batches, **options):
    trainer = pl.Trainer(**trainer_options(**{"max_epochs": 30, **options}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        trainer.fit(model, loader(*batches))
    return [warning for warning in caught if issubclass(warning.category, TrainingWarning)]


def with_an_exploding_demand():
    """exp(200) is no float32."""
    batch = toy_batch()
    entries = [(lf, 0, lf, 1.0 if lf == 2 else 0.01) for lf in range(4)]
    frequency = torch.full((NUM_FEATURES,), 0.2)
    batch.gradient_targets = GradientTargets.from_entries(entries, 5, NUM_CLASSES, NUM_FEATURES, frequency)
    return LoLClassifier(**SIZES, penalty={"hinge": "exponential", "c": 200.0, "hold_factor": False}), batch


def with_infinite_features():
    batch = toy_batch(sparse=False)
    batch.features[3, 5] = float("inf")
    return LoLClassifier(**SIZES), batch


def with_a_huge_rate():
    return LoLClassifier(**SIZES, lr=1e30), toy_batch()


def with_saturated_probabilities():
    model = LoLClassifier(**SIZES, lr=1e-6)
    with torch.no_grad():
        model.network.tail[-1].bias.copy_(torch.tensor([200.0, 0.0, 0.0]))
    return model, toy_batch()


@pytest.mark.parametrize(
    ("fault", "category", "message"),
    [
        (with_an_exploding_demand, NotFiniteWarning, r"step 0 the penalty \(of LF 2\) is not finite"),
        (with_infinite_features, NotFiniteWarning, "step 0 the network's logits are not finite"),
        (with_a_huge_rate, NotFiniteWarning, "the network's logits are not finite. Lower lr"),
        (with_saturated_probabilities, TrainingWarning, "is dead|is saturated|mean probability"),
    ],
)
def test_each_fault_is_warned_of_once(fault, category, message):
    found = fit(*fault())
    assert len(found) == 1, [str(warning.message) for warning in found]
    assert issubclass(found[0].category, category)
    with pytest.warns(category, match=message):
        warnings.warn_explicit(found[0].message, found[0].category, __file__, 1)


def test_a_fault_is_named_by_its_lf():
    texts = ["win a prize", "nice song", "prize of a song"] * 8
    lfs = [keyword_lf("prize", ["prize"], 1), keyword_lf("song", ["song"], 0)]
    data = LoLDataModule(texts, lfs=lfs, progress_bar=False)
    model = LoLClassifier(penalty={"hinge": "exponential", "c": 200.0, "hold_factor": False})
    with pytest.warns(NotFiniteWarning, match=r"\(of prize, song\)"):
        pl.Trainer(**trainer_options(max_epochs=2, limit_val_batches=0)).fit(model, data)


def test_a_healthy_fit_is_not_warned_of_and_says_what_it_reached():
    model = LoLClassifier(**SIZES)
    assert not fit(model, toy_batch(), max_epochs=60)
    # A second fit starts afresh.
    assert not fit(model, toy_batch(), max_epochs=5)


def test_what_is_logged_describes_the_trained_model():
    model = LoLClassifier(**SIZES, penalty={"alpha": 10.0, "c": 0.1})
    trainer = pl.Trainer(**trainer_options(max_epochs=60))
    trainer.fit(model, loader(toy_batch()))
    assert trainer.callback_metrics["train_met_demands"] > 0.5
    untrained = LoLClassifier(**SIZES, penalty={"alpha": 10.0, "c": 0.1})
    terms = untrained.train().lol(untrained.network, toy_batch())
    assert terms.measurement.met() < 0.5


def test_the_end_of_a_fit_changes_no_state():
    """The last measurement neither draws random numbers nor moves running means, gradients or modes."""
    model = LoLClassifier(**SIZES, class_shares=[0.2, 0.3, 0.5])
    kept = {}

    class Before(pl.Callback):
        def on_train_end(self, trainer, pl_module):
            kept["state"] = {name: value.clone() for name, value in pl_module.state_dict().items()}
            kept["rng"] = torch.get_rng_state()
            kept["training"] = pl_module.network.training

    fit(model, toy_batch(), max_epochs=3, callbacks=[Before()])
    assert torch.equal(torch.get_rng_state(), kept["rng"])
    assert model.network.training == kept["training"]
    for name, value in model.state_dict().items():
        torch.testing.assert_close(value, kept["state"][name])


def test_predictions_that_leave_the_votes_are_warned_of():
    """A learning rate of nothing: the first bias, which speaks for one class, stays."""
    model = LoLClassifier(**SIZES, method="lol-simple", lr=1e-9)
    with torch.no_grad():
        model.network.tail[-1].bias.copy_(torch.tensor([4.0, 0.0, 0.0]))
    found = fit(model, toy_batch())
    assert [warning.category for warning in found] == [ClassSharesWarning]
    assert "predicts class 0" in str(found[0].message)
    assert "share among the votes" in str(found[0].message)


def test_predictions_that_leave_the_class_shares_are_warned_of():
    texts = ["win a prize", "nice song", "prize of a song", "nothing here"] * 10
    lfs = [keyword_lf("prize", ["prize"], 1), keyword_lf("song", ["song"], 0)]
    for weight, expected in ((0.0, 1), (5.0, 0)):
        pl.seed_everything(0, verbose=False)
        data = LoLDataModule(texts, lfs=lfs, classes=Classes(balance=[0.85, 0.15]), progress_bar=False)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            trainer = pl.Trainer(**trainer_options(max_epochs=60, limit_val_batches=0))
            trainer.fit(LoLClassifier(shares_weight=weight), data)
        assert sum(issubclass(warning.category, ClassSharesWarning) for warning in caught) == expected


@pytest.mark.parametrize("name", ["alpha", "c"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_numbers_of_a_penalty_that_are_no_numbers_are_refused_at_once(name, value):
    with pytest.raises(ValueError, match=f"{name} = "):
        LoLClassifier(penalty={name: value})


@pytest.mark.parametrize("name", ["lr", "weight_decay", "shares_weight"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), -1.0])
def test_numbers_of_a_classifier_that_are_no_numbers_are_refused_at_once(name, value):
    with pytest.raises(ValueError, match=f"{name} = "):
        LoLClassifier(**{name: value})


@pytest.mark.parametrize(
    ("predicted", "expected", "cls"),
    [
        ([0.5, 0.5], [0.5, 0.5], None),
        ([0.7, 0.3], [0.5, 0.5], None),
        ([0.8, 0.2], [0.4, 0.6], 0),
        ([0.8, 0.2], [0.97, 0.03], 1),
        ([0.9, 0.1], [0.97, 0.03], None),
        ([1.0, 0.0], [0.97, 0.03], None),
        ([0.6, 0.4, 0.0], [0.4, 0.4, 0.2], 2),
    ],
)
def test_what_counts_as_far_from_the_shares(predicted, expected, cls):
    assert leaves_shares(predicted, expected) == cls
    assert np.isclose(sum(predicted), 1)


def test_a_dead_penalty_is_a_training_warning():
    assert issubclass(DeadPenaltyWarning, TrainingWarning)


def test_weights_that_the_last_step_broke_are_warned_of():
    found = fit(LoLClassifier(**SIZES, lr=1e38), toy_batch(), max_steps=1)
    assert [warning.category for warning in found] == [NotFiniteWarning]
    assert "after step 0 weights of the network are not finite" in str(found[0].message)


def test_other_models_with_a_step_of_their_own_are_watched():
    model = EndToEndClassifier(**SIZES, num_lfs=5, lr=1e-9, class_shares=None)
    with torch.no_grad():
        model.network.tail[-1].bias.copy_(torch.tensor([9.0, 0.0, 0.0]))
    assert [warning.category for warning in fit(model, toy_batch())] == [ClassSharesWarning]


def test_the_warning_of_a_second_fit_is_not_swallowed():
    """Python shows a text once for each line of code; what is warned of has the numbers of its fit."""
    texts = set()
    for steps in (25, 30):
        model, batch = with_saturated_probabilities()
        texts |= {str(warning.message) for warning in fit(model, batch, max_epochs=steps)}
    assert len(texts) == 2


@pytest.mark.parametrize("batch_size", [1, 2])
def test_the_noise_of_tiny_batches_is_no_fault(batch_size):
    texts = ["win a prize", "nice song", "what a song"] * 40
    lfs = [keyword_lf("prize", ["prize"], 1), keyword_lf("song", ["song"], 0)]
    for seed in range(3):
        pl.seed_everything(seed, verbose=False)
        classes = Classes(balance=[0.66, 0.34])
        data = LoLDataModule(texts, lfs=lfs, classes=classes, batch_size=batch_size, progress_bar=False)
        with warnings.catch_warnings():
            warnings.simplefilter("error", TrainingWarning)
            pl.Trainer(**trainer_options(max_epochs=2, limit_val_batches=0)).fit(LoLClassifier(seed=seed), data)


def test_half_precision_trains_with_the_default_penalty():
    model = LoLClassifier(**SIZES)
    assert not fit(model, toy_batch(), max_epochs=150, precision="bf16-mixed")
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


class CountedPenalty(GradientPenalty):
    num_calls = 0

    def measure(self, network, batch, step):
        type(self).num_calls += 1
        return super().measure(network, batch, step)


def test_the_last_step_measures_the_penalty_once():
    CountedPenalty.num_calls = 0
    logged = {}

    class Ends(pl.Callback):
        def on_train_end(self, trainer, pl_module):
            logged.update(pl_module._monitor._measured[2].logs("train_"))

    assert not fit(LoLClassifier(**SIZES, penalty=CountedPenalty()), toy_batch(), max_epochs=4, callbacks=[Ends()])
    assert CountedPenalty.num_calls == 4
    assert logged["train_gradient_ratio"] > 0


@pytest.mark.parametrize(("every", "warmup"), [(2, 0), (1, 40)])
def test_what_the_fit_ends_with_is_told_at_the_full_alpha(every, warmup):
    """The last step is one without the penalty, or one in which alpha is still small."""
    ratios = []
    for options in ({}, {"every": every, "warmup": warmup}):
        torch.manual_seed(0)
        model = LoLClassifier(**SIZES, penalty=GradientPenalty(alpha=2.0, **options), dropout=0.0, lr=1e-9)
        trainer = pl.Trainer(**trainer_options(max_epochs=4, barebones=False))
        trainer.fit(model, loader(toy_batch()))
        model._monitor._last = toy_batch(), 3
        ratios.append(model._monitor.finish(model.network, model.lol.train())["gradient_ratio"])
    assert ratios[1] == pytest.approx(ratios[0], rel=1e-4)


def units_that_need_a_word(bias):
    network = torch.nn.Sequential(torch.nn.Linear(NUM_FEATURES, 4), torch.nn.ReLU(), torch.nn.Linear(4, NUM_CLASSES))
    with torch.no_grad():
        network[0].weight.fill_(1.0)
        network[0].bias.fill_(bias)
    batch = toy_batch()
    entries = [(lf, lf % NUM_CLASSES, lf, 1.0) for lf in range(4)]
    rare = torch.full((NUM_FEATURES,), 0.7 / NUM_FEATURES)
    batch.gradient_targets = GradientTargets.from_entries(entries, 5, NUM_CLASSES, NUM_FEATURES, rare)
    return network, batch


@pytest.mark.parametrize(("bias", "expected"), [(-0.5, []), (-1e3, [DeadPenaltyWarning])])
def test_a_draw_of_one_sample_that_misses_all_units_is_no_dead_penalty(bias, expected):
    network, batch = units_that_need_a_word(bias)
    penalty = GradientPenalty(alpha=1.0, num_samples=1)
    model = LoLClassifier(network, num_classes=NUM_CLASSES, penalty=penalty, lr=1e-9, class_shares=None)
    lol = LoLLoss(penalty, class_shares=None)
    weakness = [PenaltyNorms.of(network, lol.measure_penalty(network, batch, step)).is_weak(1e-4) for step in range(40)]
    assert any(weakness)
    last = weakness.index(True)
    assert [warning.category for warning in fit(model, batch, max_epochs=last + 1)] == expected


@pytest.mark.parametrize(("lr", "bias", "expected"), [(0.3, 0.0, [ClassSharesWarning]), (1e-9, 5.0, [])])
def test_a_short_fit_is_judged_by_whether_it_left_the_shares(lr, bias, expected):
    """All votes are for class 0. A model that is far from the shares because it has hardly moved is not warned of."""
    batch = toy_batch()
    batch.votes.clamp_(max=0)
    model = LoLClassifier(**SIZES, method="lol-simple", class_shares=[1, 1, 1], shares_weight=0.0, lr=lr)
    with torch.no_grad():
        model.network.tail[-1].bias.copy_(torch.tensor([bias, 0.0, 0.0]))
    found = fit(model, batch, max_epochs=10)
    assert [warning.category for warning in found] == expected
    assert all("predicts class 0" in str(warning.message) for warning in found)
