import math

import numpy as np
import oracles
import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from toy import NUM_CLASSES, NUM_FEATURES, NUM_LFS, draw_votes, loader, symmetric_tables, toy_batch, trainer_options

from lol_lightning.baselines.end_to_end import EndToEndClassifier, label_logits
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.loader import LoLDataLoader
from lol_lightning.data.synthetic import LABEL_NAMES, synthetic_comments, synthetic_lfs
from lol_lightning.exceptions import ConfigurationError, DataError, VotesError
from lol_lightning.functional.votes import vote_probabilities
from lol_lightning.models.classifier import LoLClassifier

SIZES = {"num_features": NUM_FEATURES, "num_classes": NUM_CLASSES, "num_lfs": NUM_LFS}


def comments(rows=300):
    train = synthetic_comments(rows, seed=0).drop(columns="label")
    val = synthetic_comments(200, seed=1, videos=(4, 5, 6, 7))
    return LoLDataModule(
        train, val, val, val, lfs=synthetic_lfs(), classes=LABEL_NAMES, batch_size=32, progress_bar=False
    )


def fit(model, *batches, **options):
    trainer = pl.Trainer(**trainer_options(**{"max_epochs": 3, **options}))
    trainer.fit(model, loader(*batches))
    return trainer


def test_label_equals_a_loop_over_lfs_and_classes():
    votes = torch.randint(-1, 4, (20, 6))
    raw_scores = torch.randn(20, 6, dtype=torch.double)
    balance = torch.tensor([0.4, 0.3, 0.2, 0.1], dtype=torch.double)
    ours = label_logits(raw_scores, vote_probabilities(votes, 4), balance, temperature=1.7).softmax(-1)
    expected = [oracles.weasel_label(raw_scores[row], votes[row], balance, 1.7) for row in range(20)]
    torch.testing.assert_close(ours, torch.stack(expected))


def test_equal_scores_are_the_majority_vote_and_a_high_temperature_equals_scores():
    votes = torch.tensor([[0, 0, 1, -1], [2, 1, 1, 2], [-1, -1, -1, -1]])
    one_hot, balance = vote_probabilities(votes, 3), torch.full((3,), 1 / 3)
    counts = one_hot.sum(1)
    expected = (math.sqrt(4) * counts / 4).softmax(-1)
    torch.testing.assert_close(label_logits(torch.zeros(3, 4), one_hot, balance, 1.0).softmax(-1), expected)
    torch.testing.assert_close(label_logits(torch.randn(3, 4), one_hot, balance, 1e6).softmax(-1), expected)


@pytest.mark.parametrize("num_outputs", [1, NUM_CLASSES + 1])
def test_a_network_with_other_outputs_than_classes_is_refused_before_the_loss(num_outputs):
    network = nn.Sequential(nn.Linear(NUM_FEATURES, 4), nn.ReLU(), nn.Linear(4, num_outputs))
    model = EndToEndClassifier(network, **SIZES)
    with pytest.raises(
        ConfigurationError, match=rf"the network returns \(30, {num_outputs}\).* logits \(B, {NUM_CLASSES}\)"
    ):
        fit(model, toy_batch(rows=slice(30)))


@pytest.mark.parametrize("encoder_input", ["votes+features", "votes"])
def test_one_training_step_has_the_gradients_of_the_papers_loss(encoder_input):
    balance = torch.tensor([0.5, 0.2, 0.3], dtype=torch.double)
    model = EndToEndClassifier(
        **SIZES, dropout=0.0, temperature=1.5, encoder_input=encoder_input, class_balance=balance.tolist()
    ).double()
    batch = toy_batch(rows=slice(24))
    batch.votes[3:6] = -1
    fit(model, batch, max_epochs=1, limit_train_batches=0, precision="64-true")
    model.log = lambda *args, **kwargs: None
    loss = model.training_step(batch, 0)
    votes = vote_probabilities(batch.votes, NUM_CLASSES).double()
    dense = batch.features.to_dense(torch.double)
    raw_scores = model.encoder(votes, dense)
    labels = [oracles.weasel_label(raw_scores[row], batch.votes[row], balance, 1.5) for row in range(24)]
    predictions = model.network(dense).softmax(-1)
    expected = oracles.weasel_loss(predictions, labels, (batch.votes != -1).any(1))
    torch.testing.assert_close(loss, expected)
    ours, theirs = (torch.autograd.grad(value, list(model.parameters())) for value in (loss, expected))
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(model.label_posterior(batch), torch.stack(labels))


def test_each_network_learns_from_the_other_as_it_is():
    model = EndToEndClassifier(**SIZES)
    batch = toy_batch()
    fit(model, batch, max_epochs=1, limit_train_batches=0)
    model.log = lambda *args, **kwargs: None
    model.eval()
    model.training_step(batch, 0).backward()
    gradients = {name: parameter.grad.clone() for name, parameter in model.named_parameters()}
    model.zero_grad()
    label = model.label_posterior(batch).detach()
    (-(label * model(batch.features).log_softmax(-1)).sum() / len(batch)).backward()
    for name, parameter in model.network.named_parameters():
        torch.testing.assert_close(parameter.grad, gradients[f"network.{name}"])
    assert all(parameter.grad is None for parameter in model.encoder.parameters())
    assert all(gradient.abs().max() > 0 for name, gradient in gradients.items() if "encoder" in name)


def test_training_on_comments_beats_chance_and_repeats():
    accuracies, posteriors = [], []
    for _ in range(2):
        pl.seed_everything(0, verbose=False)
        data, model = comments(), EndToEndClassifier()
        trainer = pl.Trainer(**trainer_options(max_epochs=12))
        trainer.fit(model, datamodule=data)
        assert model.hparams["num_lfs"] == len(synthetic_lfs())
        accuracies.append(float(trainer.callback_metrics["val_accuracy"]))
        posteriors.append(model.eval().label_posterior(next(iter(data.val_dataloader()))))
        assert set(trainer.callback_metrics) >= {"val_loss", "val_macro_f1", "train_loss", "train_end_loss"}
    assert accuracies[0] == accuracies[1] > 0.7
    assert posteriors[0].equal(posteriors[1])


def test_rows_without_votes_leave_the_size_of_the_loss():
    pl.seed_everything(0, verbose=False)
    model, data = EndToEndClassifier(dropout=0.0, class_shares=None), comments(60)
    pl.Trainer(**trainer_options(max_epochs=1, limit_train_batches=0)).fit(model, datamodule=data)
    model.log_dict = model.log = lambda *args, **kwargs: None
    batch = next(iter(data.train_dataloader()))
    scale = model.lol.vote_scale.clone()
    rows = data.train_dataloader().dataset
    assert scale == pytest.approx(len(rows) / rows.num_covered_rows)
    assert scale > 1
    as_fitted = model.train().training_step(batch, 0)
    model.lol.vote_scale = torch.tensor(1.0)
    torch.testing.assert_close(as_fitted, scale * model.training_step(batch, 0))


def test_lfs_that_draw_lots_are_found_out():
    # The paper's robustness to LFs that vote at random: half of them here.
    accuracies = [0.85, 0.85, 0.85, 0.5, 0.5, 0.5]
    labels, votes = draw_votes(symmetric_tables(accuracies, np.full(6, 0.8), 2), [0.5, 0.5], 4000)
    features = np.random.default_rng(1).normal(size=(4000, 8)).astype(np.float32)
    features[:, 0] = 1.5 * (2 * labels - 1) + 0.7 * features[:, 1]
    pl.seed_everything(1, verbose=False)
    model = EndToEndClassifier(num_features=8, num_classes=2, num_lfs=6, encoder_input="votes")
    train = LoLDataLoader(LoLDataset(features, votes), batch_size=128, shuffle=True)
    pl.Trainer(**trainer_options(max_epochs=12)).fit(model, train)
    model.eval()
    batch = LoLBatch(torch.from_numpy(features), torch.from_numpy(votes))
    with torch.no_grad():
        scores = model.encoder(vote_probabilities(batch.votes, 2), batch.features).softmax(-1).mean(0)
        found = model.label_posterior(batch).argmax(1).numpy()
        predicted = model(batch.features).argmax(1).numpy()
    assert scores[:3].min() > scores[3:].max()
    counts = (votes == 1).sum(1) - (votes == 0).sum(1)
    assert (found == labels).mean() > np.where(counts == 0, 0.5, (counts > 0) == labels).mean() + 0.02
    assert (predicted == labels).mean() > 0.97


def test_checkpoint_reloads_with_weights_only_and_answers_the_same(tmp_path):
    data = comments(100)
    model = EndToEndClassifier(
        hidden_sizes=(8,), encoder_hidden_sizes=(6, 5), class_balance=(0.4, 0.6), temperature=1.0
    )
    trainer = pl.Trainer(**trainer_options(max_epochs=2))
    trainer.fit(model, datamodule=data)
    path = tmp_path / "model.ckpt"
    trainer.save_checkpoint(path)
    hparams = torch.load(path, weights_only=True)["hyper_parameters"]
    assert (hparams["encoder_hidden_sizes"], hparams["num_lfs"]) == ([6, 5], 11)
    again = EndToEndClassifier.load_from_checkpoint(path, weights_only=True)
    before, after = (torch.cat(trainer.predict(each, datamodule=data)) for each in (model, again))
    assert before.equal(after)
    batch = next(iter(data.val_dataloader()))
    assert model.eval().label_posterior(batch).equal(again.eval().label_posterior(batch))
    (tested,) = trainer.test(again, datamodule=data, verbose=False)
    labels = np.concatenate([batch.labels for batch in data.val_dataloader()])
    assert tested["test_accuracy"] == pytest.approx((after.argmax(1).numpy() == labels).mean())


def test_training_resumes_from_a_checkpoint(tmp_path):
    trainer = fit(EndToEndClassifier(**SIZES), toy_batch(), max_epochs=2)
    path = tmp_path / "model.ckpt"
    trainer.save_checkpoint(path)
    again = pl.Trainer(**trainer_options(max_epochs=4))
    again.fit(EndToEndClassifier(**SIZES), loader(toy_batch()), ckpt_path=path)
    assert again.global_step == 4


@pytest.mark.parametrize("optimizer", ["adam", "lazy-adam"])
def test_sparse_and_dense_rows_train_alike(optimizer):
    weights = []
    for sparse in (True, False):
        pl.seed_everything(0, verbose=False)
        model = EndToEndClassifier(**SIZES, optimizer=optimizer, dropout=0.0)
        assert model.encoder.body.sparse_grad == (optimizer == "lazy-adam")
        fit(model, toy_batch(sparse), max_epochs=1)
        weights.append(model.state_dict())
    for name, weight in weights[0].items():
        torch.testing.assert_close(weight, weights[1][name])


def test_soft_votes_of_certainty_are_votes():
    model = EndToEndClassifier(**SIZES).eval()
    batch = toy_batch()
    soft = LoLBatch(batch.features, vote_probabilities(batch.votes, NUM_CLASSES))
    torch.testing.assert_close(model.label_posterior(soft), model.label_posterior(batch))


def test_batch_without_votes_has_no_loss_but_a_graph():
    model = EndToEndClassifier(**SIZES, class_balance=[1, 2, 1])
    batch = toy_batch()
    batch.votes[:] = -1
    before = [parameter.detach().clone() for parameter in model.parameters()]
    trainer = fit(model, batch, max_epochs=1)
    assert trainer.callback_metrics["train_loss"] == 0
    assert all(parameter.equal(old) for parameter, old in zip(model.parameters(), before, strict=True))
    torch.testing.assert_close(model.label_posterior(batch), torch.tensor([[0.25, 0.5, 0.25]]).expand(len(batch), -1))


def test_end_model_starts_as_under_every_other_method():
    torch.manual_seed(4)
    other = LoLClassifier(num_features=NUM_FEATURES, num_classes=NUM_CLASSES)
    drawn = torch.rand(3)
    torch.manual_seed(4)
    model = EndToEndClassifier(**SIZES, seed=1)
    assert torch.rand(3).equal(drawn)
    assert model.network.weight.equal(other.network.weight)
    weights = [EndToEndClassifier(**SIZES, seed=seed).encoder.from_votes.weight for seed in (1, 2)]
    assert model.encoder.from_votes.weight.equal(weights[0])
    assert not weights[0].equal(weights[1])


@pytest.mark.parametrize(("given", "rate"), [(None, 0.002), (0.5, 0.5)])
def test_encoder_has_a_learning_rate_of_its_own(given, rate):
    model = EndToEndClassifier(**SIZES, lr=0.02, encoder_lr=given)
    end, encoder = model.configure_optimizers().param_groups
    assert (end["lr"], encoder["lr"]) == (0.02, pytest.approx(rate))
    sizes = [len(list(part.parameters())) for part in (model.network, model.encoder)]
    assert [len(group["params"]) for group in (end, encoder)] == sizes


def test_own_network_reads_dense_rows_and_the_encoder_sparse_ones():
    network = nn.Sequential(nn.Linear(NUM_FEATURES, 4), nn.ReLU(), nn.Linear(4, NUM_CLASSES))
    model = EndToEndClassifier(network, **SIZES)
    trainer = fit(model, toy_batch())
    assert torch.isfinite(trainer.callback_metrics["train_loss"])
    assert not model.encoder.body.sparse_grad


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": 0.0}, "temperature = 0.0 must be a finite number above 0"),
        ({"encoder_lr": 0.0}, "encoder_lr = 0.0 must be a finite number above 0"),
        ({"encoder_input": "features"}, "encoder_input = 'features'; use 'votes\\+features' or 'votes'"),
        ({"num_lfs": 1}, "num_lfs = 1; there is nothing to weigh below 2"),
        ({"class_balance": [0.5, 0.5]}, "class_balance"),
        ({"encoder_hidden_sizes": ()}, "hidden_sizes"),
        (
            {"network": nn.Linear(2, 3), "num_features": None},
            "no size: give num_features, or encoder_input",
        ),
    ],
)
def test_bad_arguments_are_named(options, message):
    with pytest.raises(ConfigurationError, match=message):
        EndToEndClassifier(**{**SIZES, **options})


def test_number_of_lfs_must_be_known_and_hold():
    model = EndToEndClassifier(num_features=NUM_FEATURES, num_classes=NUM_CLASSES)
    with pytest.raises(ConfigurationError, match="the encoder has no size yet"):
        model.label_posterior(toy_batch())
    with pytest.raises(ConfigurationError, match="the encoder has no size: give num_lfs"):
        fit(model, toy_batch())
    with pytest.raises(VotesError, match="votes of 5 LFs met an encoder for 4"):
        EndToEndClassifier(**{**SIZES, "num_lfs": 4}).label_posterior(toy_batch())
    with pytest.raises(DataError, match="30 columns and the model was built for 20"):
        EndToEndClassifier(**{**SIZES, "num_features": 20}).label_posterior(toy_batch())
    with pytest.raises(ConfigurationError, match="num_lfs = 3, but the data module has 11"):
        pl.Trainer(**trainer_options(max_epochs=1)).fit(EndToEndClassifier(num_lfs=3), datamodule=comments(60))
