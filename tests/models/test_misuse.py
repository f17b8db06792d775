"""Networks, batches and files that are not what training or loading needs: each is told in one line."""

from __future__ import annotations

import warnings
from dataclasses import replace

import pytest
import torch
from torch import nn
from toy import loader, toy_batch, trainer_options

from lol_lightning._lightning import Trainer
from lol_lightning.exceptions import DataError
from lol_lightning.models import LoLClassifier
from lol_lightning.models.network_checks import warn_of_probabilities


@pytest.fixture
def model():
    torch.manual_seed(0)
    return LoLClassifier(num_features=30, num_classes=3, method="lol-simple")


def fit_one_batch(network):
    torch.manual_seed(0)
    model = LoLClassifier(network=network, num_features=30, num_classes=3, method="lol-simple")
    Trainer(**trainer_options(max_epochs=1)).fit(model, loader(toy_batch(sparse=False)))


def test_a_network_that_ends_in_a_softmax_is_warned_of():
    with pytest.warns(UserWarning, match="outputs are probabilities: .* sum to 1 in each row. It must return logits"):
        fit_one_batch(nn.Sequential(nn.Linear(30, 3), nn.Softmax(-1)))


@pytest.mark.parametrize("logits", [[[0.2, 0.9]], [[-0.5, 1.5]], [[1.0, 0.0], [2.0, 1.0]], [[0.0, 0.0]]], ids=str)
def test_logits_are_not_taken_for_probabilities(logits):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_probabilities(torch.tensor(logits))


def test_batches_without_votes_are_refused_by_name(model):
    rows = torch.utils.data.TensorDataset(torch.zeros(8, 30), torch.zeros(8).long())
    with pytest.raises(DataError, match=r"a batch is a list, without the votes .*MatrixDataModule\(features, votes="):
        Trainer(**trainer_options(max_epochs=1)).fit(model, torch.utils.data.DataLoader(rows, batch_size=4))


def test_a_saved_model_and_a_checkpoint_are_told_apart(model, tmp_path):
    saved, checkpoint = tmp_path / "model.lol", tmp_path / "model.ckpt"
    model.save(saved)
    trainer = Trainer(**trainer_options(max_epochs=1))
    trainer.strategy.connect(model)
    trainer.save_checkpoint(checkpoint)
    with pytest.raises(DataError, match="a save method, and the load method of the same class reads it"):
        LoLClassifier.load_from_checkpoint(saved)
    with pytest.raises(DataError, match=r"a file of torch.save; .* read by LoLClassifier.load_from_checkpoint"):
        LoLClassifier.load(checkpoint)
    torch.testing.assert_close(LoLClassifier.load(saved).network.weight, model.network.weight)


def test_a_fit_whose_batches_demand_nothing_says_that_votes_alone_train(caplog):
    torch.manual_seed(0)
    model = LoLClassifier(num_features=30, num_classes=3)
    with caplog.at_level("INFO"):
        Trainer(**trainer_options(max_epochs=2)).fit(model, loader(replace(toy_batch(), gradient_targets=None)))
    assert sum("trains with the votes alone, as 'lol-simple'" in line for line in caplog.messages) == 1
