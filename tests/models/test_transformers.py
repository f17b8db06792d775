"""Transformers of two layers under LoLClassifier, by real Trainers."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from resumed_fit import every_step
from torch import nn
from toy import trainer_options

from lol_lightning import GradientPenalty, LoLClassifier, LoLDataModule
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.models.fine_tuning import FineTuning
from lol_lightning.models.network_checks import ProbabilitiesWarning

pytest.importorskip("transformers")
from tiny_bert import lfs, rows, tiny_bert, tiny_tokenizer, token_data, words_to_ids

TEXTS = ["win a prize", "nice song"]
HELPERS = Path(__file__).parents[1] / "helpers"


def fit(model, data=None, **options):
    trainer = pl.Trainer(**trainer_options(**{"max_epochs": 1, **options}))
    trainer.fit(model, token_data() if data is None else data)
    return trainer


def classifier(network=None, **options):
    network = tiny_bert() if network is None else network
    return LoLClassifier(network, **{"num_classes": 2, "method": "lol-simple", "lr": 1e-3, **options})


class Rates(Callback):
    def __init__(self):
        self.steps = []

    def on_train_batch_start(self, trainer, *_):
        self.steps.append({group["name"]: group["lr"] for group in trainer.optimizers[0].param_groups})


def test_learning_rates_of_each_layer_follow_the_schedule():
    rates = Rates()
    settings = FineTuning(layer_decay=0.5, warmup_steps=2)
    fit(classifier(lr=0.008, fine_tuning=settings), token_data(batch_size=15), max_epochs=2, callbacks=[rates])
    factors = [1 / 3, 2 / 3, 1, 5 / 6, 4 / 6, 3 / 6, 2 / 6, 1 / 6]
    for part, lr in {"embeddings": 1e-3, "layer 0": 2e-3, "layer 1": 4e-3, "head": 8e-3}.items():
        assert [step[part] for step in rates.steps] == pytest.approx([lr * factor for factor in factors])


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "LazyAdam"),
        ({"optimizer": "adamw"}, "AdamW"),
        ({"fine_tuning": FineTuning()}, "AdamW"),
        ({"fine_tuning": {"lr_schedule": "cosine"}, "optimizer": "adam"}, "LazyAdam"),
    ],
)
def test_the_optimizer(options, expected):
    trainer = fit(classifier(weight_decay=0.1, **options))
    assert type(trainer.optimizers[0]).__name__ == expected
    decays = {group["weight_decay"] for group in trainer.optimizers[0].param_groups}
    assert decays == ({0.1, 0.0} if "fine_tuning" in options else {0.1})


def test_pretrained_weights_have_their_usual_settings(tmp_path, caplog):
    tiny_bert().save_pretrained(tmp_path)
    network = type(tiny_bert()).from_pretrained(tmp_path)
    assert not network.training
    model = classifier(network, lr=None)
    with caplog.at_level("INFO"):
        trainer = fit(model)
    assert model.hparams["lr"] == 2e-5
    assert model.hparams["fine_tuning"] == FineTuning().plain()
    assert trainer.optimizers[0].param_groups[0]["initial_lr"] == 2e-5
    said = [record.message for record in caplog.records]
    assert any("fine-tuned by AdamW with lr = 2e-05 and FineTuning(lr_schedule='linear'" in line for line in said)
    assert any("evaluation mode" in line for line in said)
    assert classifier(nn.Linear(2, 2), lr=None).hparams["lr"] == 1e-2


def test_a_network_in_evaluation_mode_trains_with_dropout():
    network = tiny_bert(hidden_dropout_prob=0.5).eval()
    fit(classifier(network))
    assert network.training
    assert all(part.training for part in network.modules())


def test_a_name_is_loaded_for_the_classes_of_the_data(tmp_path):
    tiny_bert().bert.save_pretrained(tmp_path / "encoder")
    model = LoLClassifier(str(tmp_path / "encoder"), method="lol-simple", lr=1e-3)
    data = token_data(classes=3)
    trainer = fit(model, data)
    assert type(model.network).__name__ == "BertForSequenceClassification"
    assert model.network.config.num_labels == 3
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    (tmp_path / "encoder").rename(tmp_path / "elsewhere")
    again = LoLClassifier.load_from_checkpoint(tmp_path / "model.ckpt")
    assert np.allclose(again.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-7)


def test_a_file_answers_for_texts_without_anything_else(tmp_path):
    model = classifier()
    fit(model, token_data(tiny_tokenizer()), max_epochs=12)
    model.save(tmp_path / "model.lol")
    state = torch.get_rng_state()
    again = LoLClassifier.load(tmp_path / "model.lol")
    assert torch.equal(torch.get_rng_state(), state)
    assert again.predict(TEXTS).tolist() == [1, 0]
    assert np.array_equal(again.predict_proba(TEXTS * 50), model.predict_proba(TEXTS * 50))
    assert np.allclose(again.predict_proba(TEXTS * 50, batch_size=7), model.predict_proba(TEXTS * 50), atol=1e-6)
    assert repr(again).startswith("LoLClassifier(num_classes=2, num_features=?, network=BertForSequenceClassification")


def test_a_network_of_ones_own_needs_its_code_again(tmp_path):
    network = nn.Sequential(nn.EmbeddingBag(40, 8), nn.Linear(8, 2))
    model = classifier(network)
    trainer = fit(model, token_data(words_to_ids))
    with pytest.raises(ConfigurationError, match="a network of the class Sequential cannot be saved without its code"):
        model.save(tmp_path / "model.lol")
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    twin = nn.Sequential(nn.EmbeddingBag(40, 8), nn.Linear(8, 2))
    again = LoLClassifier.load_from_checkpoint(tmp_path / "model.ckpt", network=twin)
    again.feature_space = model.feature_space
    assert np.allclose(again.predict_proba(TEXTS), model.predict_proba(TEXTS))


def test_another_number_of_outputs_is_refused_before_the_fit():
    with pytest.raises(ConfigurationError, match="num_labels = 2, and there are num_classes = 3"):
        classifier(num_classes=3)
    with pytest.raises(ConfigurationError, match="num_labels = 2, and there are num_classes = 3"):
        fit(classifier(num_classes=None), token_data(classes=3))


@pytest.mark.parametrize(("penalty", "options"), [(None, {"insertions": False}), (GradientPenalty(alpha=1.0), {})])
def test_a_gradient_penalty_on_tokens_names_what_works(penalty, options):
    with pytest.raises(ConfigurationError, match=r"GradientPenalty needs features .*penalty=InsertionPenalty\(\)"):
        fit(classifier(method="lol", penalty=penalty), token_data(**options))


def test_the_default_network_cannot_read_tokens():
    with pytest.raises(ConfigurationError, match=r"the default network reads features, and the data is TokenSequences"):
        fit(LoLClassifier(method="lol-simple"))


def test_a_tokenizer_of_another_network_is_refused():
    with pytest.raises(ConfigurationError, match=r"ids up to \d+, and the network Bert.* has vocab_size = 20"):
        fit(classifier(tiny_bert(vocab_size=20)))
    with pytest.raises(ConfigurationError, match=r"texts of 9 tokens, .* has places for 5 .* max_length=5"):
        fit(classifier(tiny_bert(max_position_embeddings=5)))
    with pytest.raises(ConfigurationError, match=r"reads token ids, and the rows are features of .*\(60, \d+\)"):
        fit(classifier(), LoLDataModule(rows(), lfs=lfs(), progress_bar=False))


def test_what_a_network_returns_is_looked_at():
    def bag(*layers):
        return nn.Sequential(nn.EmbeddingBag(40, 8), *layers)

    data = token_data(words_to_ids)
    with pytest.raises(ConfigurationError, match="it must return logits"):
        fit(classifier(bag(nn.Linear(8, 1))), data)
    with pytest.warns(ProbabilitiesWarning, match=r"no class would be likelier than 0.73. Leave out its last softmax"):
        fit(classifier(bag(nn.Linear(8, 2), nn.Softmax(-1))), data, max_epochs=2)
    with pytest.raises(ConfigurationError, match="Sequential has no parameter that is trained"):
        fit(classifier(bag(nn.Linear(8, 2)).requires_grad_(False)), data)


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_adapters_train_alone(tmp_path):
    peft = pytest.importorskip("peft")

    def adapted():
        torch.manual_seed(3)
        network = tiny_bert()
        network.config._name_or_path = "tiny"
        settings = peft.LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"])
        return peft.get_peft_model(network, settings)

    network = adapted()
    frozen = {name: p.detach().clone() for name, p in network.named_parameters() if not p.requires_grad}
    trained = {name: p.detach().clone() for name, p in network.named_parameters() if p.requires_grad}
    model = classifier(network, lr=None, fine_tuning=FineTuning(layer_decay=0.9, lr_schedule="constant"))
    assert model.hparams["lr"] == 2e-4
    trainer = fit(model, max_epochs=2)
    in_optimizer = sum(len(group["params"]) for group in trainer.optimizers[0].param_groups)
    assert in_optimizer == len(trained) == 10
    for name, parameter in network.named_parameters():
        if name in frozen:
            assert torch.equal(parameter, frozen[name]), name
        else:
            assert not torch.equal(parameter, trained[name]), name
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = LoLClassifier.load_from_checkpoint(tmp_path / "model.ckpt", network=adapted())
    assert np.allclose(again.predict_proba(TEXTS), model.predict_proba(TEXTS), atol=1e-7)


def resumed(directory, ckpt=None):
    pl.seed_everything(0, verbose=False)
    model = classifier(fine_tuning=FineTuning(layer_decay=0.8, lr_schedule="cosine"))
    options = trainer_options(max_epochs=2, enable_checkpointing=True, callbacks=[every_step(directory)])
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "The dirpath has changed")
        pl.Trainer(**options).fit(model, token_data(), ckpt_path=ckpt, weights_only=True)
    return model.state_dict()


def test_a_fit_that_is_resumed_in_mid_epoch_is_the_same(tmp_path):
    whole = resumed(tmp_path / "whole")
    again = resumed(tmp_path / "again", tmp_path / "whole" / "step=2.ckpt")
    assert whole.keys() == again.keys()
    for name, value in whole.items():
        assert torch.equal(again[name], value), name


@pytest.mark.ddp
@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(tmp_path):
    paths = [str(HELPERS), str(HELPERS.parents[1])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    results = []
    for devices in (1, 2):
        output = tmp_path / f"{devices}.pt"
        command = [sys.executable, str(HELPERS / "ddp_tokens.py"), str(devices), str(output)]
        result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
        assert result.returncode == 0, result.stderr[-3000:]
        results.append(torch.load(output, weights_only=True))
    one, two = results
    assert len(one["recorded"]) == len(two["recorded"]) == 3
    for (single, rates), (parallel, same_rates) in zip(one["recorded"], two["recorded"], strict=True):
        assert rates == same_rates
        for name, gradient in single.items():
            torch.testing.assert_close(parallel[name], gradient, rtol=1e-4, atol=1e-6)


def test_a_broken_file_is_a_data_error(tmp_path):
    model = classifier()
    trainer = fit(model)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    checkpoint = torch.load(tmp_path / "model.ckpt", weights_only=True)
    checkpoint["state_dict"].pop("network.classifier.bias")
    torch.save(checkpoint, tmp_path / "broken.ckpt")
    with pytest.raises(DataError, match=r"configuration of the network needs classifier.bias of the shape \(2,\)"):
        LoLClassifier.load_from_checkpoint(tmp_path / "broken.ckpt")
