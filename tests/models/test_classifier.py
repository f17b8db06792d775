import warnings

import oracles
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import Logger
from pytorch_lightning.strategies import SingleDeviceStrategy
from torch import nn
from toy import (
    NUM_CLASSES,
    NUM_FEATURES,
    assert_same_loss,
    loader,
    toy_batch,
    toy_problem,
    toy_targets,
    trainer_options,
)

from lol_lightning.data.base import ModelDefaults
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.exceptions import ConfigurationError, DataError, TargetsError, VotesError
from lol_lightning.lfs.rules.rules import keyword_lf
from lol_lightning.losses import GradientPenalty
from lol_lightning.losses.weights import LabeledVotes, class_weights
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.lazy_adam import LazyAdam
from lol_lightning.models.training_monitor import DeadPenaltyWarning
from lol_lightning.networks.sparse_mlp import SparseMLP

SIZES = {"num_features": NUM_FEATURES, "num_classes": NUM_CLASSES}


def fit(model, *batches, val=None, **options):
    trainer = pl.Trainer(**trainer_options(**{"max_epochs": 5, **options}))
    trainer.fit(model, loader(*batches), None if val is None else loader(val))
    return trainer


@pytest.fixture
def comments():
    words = ["prize", "song", "win"]
    texts = [f"{words[i % 3]} number{i % 7}" for i in range(60)]
    labels = [int("song" not in text) for text in texts]
    return [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]


LFS = [keyword_lf("prize", ["prize"], label=1), keyword_lf("song", ["song"], label=0), keyword_lf("win", ["win"], 1)]


@pytest.mark.parametrize("method", ["lol", "lol-simple"])
@pytest.mark.parametrize("optimizer", ["adam", "lazy-adam"])
def test_training_learns_the_votes(method, optimizer):
    pl.seed_everything(0, verbose=False)
    model = LoLClassifier(**SIZES, method=method, optimizer=optimizer)
    trainer = fit(model, toy_batch(), val=toy_batch(labeled=True), max_epochs=60)
    assert trainer.callback_metrics["val_accuracy"] > 0.75
    assert set(trainer.callback_metrics) >= {"val_loss", "val_macro_f1", "val_mcc", "train_loss", "train_vote_loss"}
    assert ("train_penalty" in trainer.callback_metrics) == (method == "lol")


def test_one_training_step_has_the_gradients_of_the_papers_loss():
    paper = GradientPenalty(alpha=3.0, c=0.3, hold_factor=False, reduction="sum", factors="votes")
    model = LoLClassifier(**SIZES, penalty=paper, dropout=0.0, lf_weights=[1.0, 2.0, 0.5, 1.0, 1.0]).double()
    batch = toy_batch()
    network = model.network
    fit(model, batch, max_epochs=1, limit_train_batches=0, precision="64-true")
    dense, votes, _ = toy_problem()
    samples = paper.smoothed_model._samples(batch.gradient_targets, dense.double(), 0)
    entries = [(lf, lf % NUM_CLASSES, lf, 1.0) for lf in range(4)]
    gradient = oracles.input_gradient(network, samples, NUM_CLASSES)
    expected = oracles.lol_loss(network(dense.double()), votes, [1, 2, 0.5, 1, 1], gradient, entries, 3.0, 0.3)
    loss = model.train().lol(network, batch).loss
    assert_same_loss(loss, expected, network)


def test_penalty_pulls_the_gradient_of_inspected_features_up():
    reached = {}
    for method in ("lol", "lol-simple"):
        pl.seed_everything(1, verbose=False)
        penalty = GradientPenalty(alpha=30.0, c=0.2) if method == "lol" else None
        model = LoLClassifier(**SIZES, method=method, penalty=penalty)
        batch = toy_batch(num_rows=6)
        fit(model, batch, max_epochs=40)
        targets = batch.gradient_targets
        reached[method] = model.input_gradient(batch)[targets.cls, targets.position].mean()
    assert reached["lol"] > reached["lol-simple"] + 0.03


def test_every_nth_step_keeps_the_mean_of_the_penalty():
    penalty = GradientPenalty(every=3, alpha=2.0)
    steps, draw = [], penalty.smoothed_model._draw
    penalty.smoothed_model._draw = lambda targets, step: steps.append(step) or draw(targets, step)
    fit(LoLClassifier(**SIZES, penalty=penalty), toy_batch(), max_epochs=7)
    # What the last one measured is also what the fit ended with.
    assert steps == [0, 3, 6]
    assert [penalty.alpha_at(step) for step in range(4)] == [6.0, 0.0, 0.0, 6.0]


def test_warmup_raises_alpha_in_equal_steps():
    penalty = GradientPenalty(warmup=4, alpha=2.0)
    alphas, alpha_at = [], penalty.alpha_at
    penalty.alpha_at = lambda step: alphas.append(alpha_at(step)) or alphas[-1]
    fit(LoLClassifier(**SIZES, penalty=penalty), toy_batch(), max_epochs=6)
    assert alphas == [0.5, 1.0, 1.5, 2.0, 2.0, 2.0]


def test_sizes_come_from_the_data_module(comments):
    data = LoLDataModule(comments, val=comments, test=comments, lfs=LFS, progress_bar=False)
    model = LoLClassifier()
    with pytest.raises(ConfigurationError, match="no size yet"):
        model(torch.zeros(1, 3))
    trainer = pl.Trainer(**trainer_options(max_epochs=30))
    trainer.fit(model, datamodule=data)
    assert model.hparams["num_features"] == data.num_features
    assert model.hparams["num_classes"] == 2
    (result,) = trainer.test(model, datamodule=data, verbose=False)
    assert set(result) == {"test_loss", "test_accuracy", "test_macro_f1", "test_mcc"}
    assert result["test_accuracy"] > 0.8


def test_checkpoint_reloads_with_weights_only_and_predicts_the_same(comments, tmp_path):
    data = LoLDataModule(comments, val=comments, predict=comments, lfs=LFS, progress_bar=False)
    model = LoLClassifier(hidden_sizes=(8,), lf_weights="coverage")
    trainer = pl.Trainer(**trainer_options(max_epochs=2))
    trainer.fit(model, datamodule=data)
    path = tmp_path / "model.ckpt"
    trainer.save_checkpoint(path)
    hparams = torch.load(path, weights_only=True)["hyper_parameters"]
    assert hparams["hidden_sizes"] == [8]
    again = LoLClassifier.load_from_checkpoint(path, weights_only=True)
    before, after = (torch.cat(trainer.predict(m, datamodule=data)) for m in (model, again))
    assert before.equal(after)
    torch.testing.assert_close(before.sum(1), torch.ones(len(comments)))


def test_fit_resumes_from_a_checkpoint(tmp_path):
    model = LoLClassifier(**SIZES, optimizer="lazy-adam")
    trainer = fit(model, toy_batch(), max_epochs=3)
    path = tmp_path / "model.ckpt"
    trainer.save_checkpoint(path)
    resumed = LoLClassifier(**SIZES, optimizer="lazy-adam")
    again = pl.Trainer(**trainer_options(max_epochs=5))
    again.fit(resumed, loader(toy_batch()), ckpt_path=path)
    assert again.global_step == 5


class Dense(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(NUM_FEATURES, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3))

    def forward(self, x):
        assert isinstance(x, torch.Tensor)
        return self.layers(x)


@pytest.mark.parametrize("sparse", [True, False])
def test_a_network_of_ones_own_trains_on_sparse_and_dense_rows(sparse):
    model = LoLClassifier(Dense(), num_classes=NUM_CLASSES)
    trainer = fit(model, toy_batch(sparse=sparse), max_epochs=30)
    assert trainer.callback_metrics["train_penalty"] >= 0
    assert trainer.callback_metrics["train_loss"] < 1.1


def test_networks_of_ones_own_need_the_number_of_classes():
    with pytest.raises(ConfigurationError, match="num_classes is not known"):
        fit(LoLClassifier(Dense()), toy_batch())


@pytest.mark.parametrize(("size", "lazy"), [(19_999, False), (20_000, True)])
def test_optimizer_is_chosen_by_the_number_of_features(size, lazy):
    model = LoLClassifier(num_features=size, num_classes=2)
    assert isinstance(model.configure_optimizers(), LazyAdam)
    assert model.network.sparse_grad == lazy


class OwnOptimizer(LoLClassifier):
    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), lr=0.1)


def test_an_optimizer_of_ones_own_gets_dense_gradients():
    model = OwnOptimizer(**SIZES, optimizer="lazy-adam")
    fit(model, toy_batch())
    assert not model.network.weight.grad.is_sparse


class OwnSchedule(LoLClassifier):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.ConstantLR(optimizer)}


def test_an_overridden_configure_optimizers_that_calls_super_keeps_lazy_adam():
    model = OwnSchedule(**SIZES, optimizer="lazy-adam")
    trainer = fit(model, toy_batch())
    assert model.network.weight.grad.is_sparse
    assert isinstance(trainer.optimizers[0], LazyAdam)


class Sharded(SingleDeviceStrategy):
    """Stands where FSDP would: its name is all that is looked at before anything is sharded."""


class FSDPStrategy(Sharded):
    pass


def test_sharded_parameters_are_refused_where_the_penalty_needs_a_second_derivative():
    for options, refused in (({}, True), ({"method": "lol-simple"}, False)):
        model = LoLClassifier(**SIZES, **options)
        strategy = type("OwnSharding", (FSDPStrategy,), {})(torch.device("cpu"))
        if refused:
            with pytest.raises(ConfigurationError, match=r"OwnSharding shards parameters.*strategy='ddp'"):
                fit(model, toy_batch(), strategy=strategy)
        else:
            fit(model, toy_batch(), strategy=strategy)


def test_a_saturated_penalty_is_warned_of():
    model = LoLClassifier(**SIZES)
    with torch.no_grad():
        model.network.tail[-1].bias.copy_(torch.tensor([200.0, 0.0, 0.0]))
    with pytest.warns(DeadPenaltyWarning, match="dead|saturated"):
        fit(model, toy_batch(), max_epochs=1)


def test_a_live_penalty_is_not_warned_of():
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeadPenaltyWarning)
        trainer = fit(LoLClassifier(**SIZES), toy_batch(), max_epochs=1)
    assert trainer.callback_metrics["train_gradient_ratio"] > 1e-3
    assert 0 <= trainer.callback_metrics["train_met_demands"] <= 1


def test_bf16_mixed_trains_close_to_float32():
    losses = []
    for precision in ("32-true", "bf16-mixed"):
        pl.seed_everything(0, verbose=False)
        trainer = fit(LoLClassifier(**SIZES, dropout=0.0), toy_batch(), max_epochs=10, precision=precision)
        losses.append(trainer.callback_metrics["train_loss"].float())
    torch.testing.assert_close(*losses, rtol=0.05, atol=0)


def test_bf16_true_trains():
    trainer = fit(LoLClassifier(**SIZES), toy_batch(), max_epochs=3, precision="bf16-true")
    assert trainer.callback_metrics["train_loss"].isfinite()


def test_votes_as_probabilities_train_like_votes():
    losses = []
    for soft in (False, True):
        pl.seed_everything(0, verbose=False)
        batch = toy_batch()
        if soft:
            one_hot = nn.functional.one_hot(batch.votes.clamp(min=0), NUM_CLASSES)
            batch.votes = one_hot.float() * (batch.votes != -1).unsqueeze(-1)
        losses.append(fit(LoLClassifier(**SIZES), batch).callback_metrics["train_loss"])
    torch.testing.assert_close(*losses)


def test_lf_weights_by_name_need_a_data_module():
    with pytest.raises(ConfigurationError, match="needs the votes on all training rows"):
        fit(LoLClassifier(**SIZES, lf_weights="coverage"), toy_batch())


def test_accuracy_weights_are_read_from_validation_labels(comments):
    wrong = [{**row, "label": 1} if row["text"] == "song number1" else row for row in comments]
    data = LoLDataModule(comments, val=wrong, lfs=LFS, progress_bar=False)
    model = LoLClassifier(lf_weights="accuracy")
    pl.Trainer(**trainer_options(max_epochs=1)).fit(model, datamodule=data)
    voted = sum("song" in row["text"] for row in comments)
    missed = sum(row["text"] == "song number1" for row in comments)
    # Two pseudo-rows are right as often as the class is among all rows.
    ones = sum(row["label"] for row in wrong) / len(wrong)
    right = torch.tensor([voted + 2 * ones, voted - missed + 2 * (1 - ones), voted + 2 * ones])
    expected = right / (voted + 2)
    torch.testing.assert_close(model.lol.lf_weights, expected / expected.mean())


def test_votes_are_balanced_to_the_classes_of_the_validation_rows(comments):
    ones = [row for row in comments if row["label"] == 1]
    data = LoLDataModule(comments, val=[*comments, *ones], lfs=LFS, progress_bar=False)
    model = LoLClassifier(dropout=0.0, method="lol-simple", class_weights="validation", class_shares=None)
    pl.Trainer(**trainer_options(max_epochs=1)).fit(model, datamodule=data)
    expected = class_weights("validation", LabeledVotes.of(data))
    assert expected[1] > expected[0]
    torch.testing.assert_close(model.lol.class_weights, torch.tensor(expected, dtype=torch.float32))
    batch = next(iter(data.train_dataloader()))
    logits = model(batch.features)
    torch.testing.assert_close(
        model.lol(model.network, batch).loss,
        oracles.vote_loss(logits, batch.votes, [1] * 3, expected) * LabeledVotes.of(data).rows_per_covered_row,
        check_dtype=False,
    )


def test_votes_count_as_they_are_without_labeled_rows_or_weights(comments):
    for val, weighting in ((None, "validation"), (comments, None)):
        data = LoLDataModule(comments, val=val, lfs=LFS, progress_bar=False)
        model = LoLClassifier(class_weights=weighting)
        pl.Trainer(**trainer_options(max_epochs=1, limit_val_batches=0)).fit(model, datamodule=data)
        assert model.lol.class_weights.tolist() == [1.0, 1.0]


@pytest.mark.parametrize("weighting", ["coverage", "snorkel", [1.0, 2.0, 0.5]])
def test_weights_need_no_validation_rows(comments, weighting):
    data = LoLDataModule(comments, lfs=LFS, progress_bar=False)
    model = LoLClassifier(lf_weights=weighting)
    pl.Trainer(**trainer_options(max_epochs=1, limit_val_batches=0)).fit(model, datamodule=data)
    assert model.lol.lf_weights.shape == (3,)
    assert (model.lol.lf_weights > 0).all()


def test_accuracy_weights_ask_for_labeled_rows(comments):
    data = LoLDataModule(comments, lfs=LFS, progress_bar=False)
    with pytest.raises(ConfigurationError, match="labeled `val`"):
        pl.Trainer(**trainer_options(max_epochs=1, limit_val_batches=0)).fit(
            LoLClassifier(lf_weights="accuracy"), datamodule=data
        )


@pytest.mark.parametrize(
    ("arguments", "expected"), [({}, (0.0, 0.4)), ({"alpha": 2.0}, (2.0, 0.4)), ({"c": 0.1}, (0.0, 0.1))]
)
def test_a_penalty_that_is_not_asked_for_is_that_of_the_data_module(comments, arguments, expected):
    class WithDefaults(LoLDataModule):
        @property
        def model_defaults(self):
            return ModelDefaults(alpha=0.0, c=0.4)

    penalties = []
    for data_class in (WithDefaults, LoLDataModule):
        data = data_class(comments, lfs=LFS, progress_bar=False)
        model = LoLClassifier(penalty=arguments)
        trainer = pl.Trainer(**trainer_options(max_epochs=1, limit_val_batches=0))
        trainer.fit(model, datamodule=data)
        penalties.append(
            ((model.lol.penalty.alpha_, model.lol.penalty.c_), "train_penalty" in trainer.callback_metrics)
        )
    assert penalties[0] == (expected, expected[0] > 0)
    assert penalties[1] == ((arguments.get("alpha", 10.0), arguments.get("c", 0.7)), True)


@pytest.mark.usefixtures("unchecked_types")
def test_a_list_of_weights_of_the_wrong_length_is_refused():
    with pytest.raises(VotesError, match="2 lf_weights met votes of 5 LFs"):
        fit(LoLClassifier(**SIZES, lf_weights=[1.0, 2.0]), toy_batch())


@pytest.mark.usefixtures("unchecked_types")
def test_a_list_of_class_weights_of_the_wrong_length_is_refused():
    with pytest.raises(VotesError, match="2 class_weights met 3 classes"):
        fit(LoLClassifier(**SIZES, class_weights=[1.0, 2.0]), toy_batch())


def test_model_and_data_must_agree_on_the_number_of_classes(comments):
    data = LoLDataModule(comments, lfs=LFS, progress_bar=False)
    with pytest.raises(ConfigurationError, match="num_classes = 3, but the data module has 2"):
        pl.Trainer(**trainer_options(max_epochs=1)).fit(
            LoLClassifier(num_classes=3, method="lol-simple"), datamodule=data
        )


def test_a_network_with_too_many_outputs_is_refused():
    model = LoLClassifier(nn.Linear(NUM_FEATURES, 2 * NUM_CLASSES), num_classes=NUM_CLASSES)
    with pytest.raises(ConfigurationError, match=r"returns \(\d+, 6\) .* end it with Linear\(..., 3\)"):
        fit(model, toy_batch())


class Recorder(Logger):
    """A logger that keeps what it is told."""

    name, version = "recorder", 0

    def __init__(self):
        super().__init__()
        self.rows = {}

    def log_hyperparams(self, *args, **kwargs):
        pass

    def log_metrics(self, metrics, step=None):
        self.rows.setdefault(step, {}).update(metrics)


def test_the_logger_gets_the_values_of_the_step_it_names():
    model, logger, losses = LoLClassifier(**SIZES, method="lol-simple"), Recorder(), []
    step = model.training_step
    model.training_step = lambda *args: losses.append(step(*args)) or losses[-1]
    fit(model, *[toy_batch()] * 7, max_epochs=1, logger=logger, log_every_n_steps=3)
    assert logger.rows[2]["train_loss"] == pytest.approx(losses[2].item())
    assert logger.rows[5]["train_loss"] == pytest.approx(losses[5].item())


def test_demands_of_silent_lfs_do_not_make_the_penalty_look_dead():
    batch = toy_batch()
    batch.votes[:, 1:4] = -1
    batch.votes[:, 0] = 0
    model = LoLClassifier(**SIZES, penalty=GradientPenalty(c=1e-6, factors="votes"))
    with torch.no_grad():
        model.network.weight[0] = 0.0
        model.network.weight[0] += 5 * model.network.tail[2].weight.T @ model.network.tail[5].weight[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeadPenaltyWarning)
        trainer = fit(model, batch, max_epochs=1)
    assert trainer.callback_metrics["train_met_demands"] == 1


def test_targets_that_do_not_fit_the_votes_are_refused():
    batch = toy_batch()
    batch.votes = batch.votes[:, :3]
    with pytest.raises(TargetsError, match="5 LFs and 3 classes met votes of 3 LFs"):
        fit(LoLClassifier(**SIZES), batch)


def test_features_of_another_space_are_refused():
    with pytest.raises(DataError, match="30 columns and the model was built for 7"):
        fit(LoLClassifier(num_features=7, num_classes=NUM_CLASSES), toy_batch())


def test_testing_needs_labels():
    trainer = pl.Trainer(**trainer_options())
    with pytest.raises(DataError, match="no labels"):
        trainer.test(LoLClassifier(**SIZES), loader(toy_batch()), verbose=False)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "lol2"}, "method = 'lol2'; use one of 'lol', 'lol-simple'"),
        ({"penalty": {"hinge": "cubic"}}, "hinge = 'cubic'"),
        ({"optimizer": "sgd"}, "optimizer = 'sgd'"),
        ({"penalty": {"alpha": -1.0}}, "alpha = -1.0"),
        ({"penalty": {"c": 0.0}}, "c = 0.0"),
        ({"lr": float("nan")}, "lr = nan"),
        ({"penalty": {"every": 0}}, "every = 0"),
        ({"penalty": {"phi": 2.0}}, "phi = 2.0"),
        ({"penalty": {"unit": "nats"}}, "unit = 'nats'"),
        ({"penalty": {"alpha": float("nan")}}, "alpha = nan"),
        ({"penalty": {"c": float("inf")}}, "c = inf"),
        ({"lr": float("inf")}, "lr = inf"),
        ({"penalty": {"gamma": 1}}, "gamma.*it takes alpha, c, unit"),
        ({"penalty": {"class_path": "os.path.join"}}, "no penalty that is loaded"),
    ],
)
def test_arguments_out_of_range_are_named(options, message):
    with pytest.raises(ConfigurationError, match=message):
        LoLClassifier(**SIZES, **options)


def test_penalty_leaves_untargeted_lfs_alone():
    batch = toy_batch()
    assert batch.gradient_targets.lfs_without_features == [4]
    assert toy_targets().features.tolist() == [0, 1, 2, 3]
    assert isinstance(LoLClassifier(**SIZES).network, SparseMLP)


def test_the_seed_is_that_of_a_penalty_that_is_built_from_arguments():
    assert LoLClassifier(**SIZES, seed=5).lol.penalty.smoothed_model.seed == 5
    assert LoLClassifier(**SIZES, seed=5, penalty={"alpha": 3.0}).lol.penalty.smoothed_model.seed == 5
    assert LoLClassifier(**SIZES, seed=5, penalty={"seed": 2}).lol.penalty.smoothed_model.seed == 2


def test_lol_simple_says_that_it_leaves_a_penalty_out(caplog):
    with caplog.at_level("INFO"):
        model = LoLClassifier(**SIZES, method="lol-simple", penalty=GradientPenalty())
    assert model.lol.penalty is None
    assert caplog.text.count("penalty= is left out") == 1
