"""Rows and LFs to batches of token ids, and networks over them, by real Trainers."""

import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch

pytest.importorskip("transformers")
from tiny_bert import backend, lfs, rows, tiny_bert, tiny_tokenizer, token_data, words_to_ids
from torch import nn
from toy import toy_targets, trainer_options

from lol_lightning import LoLClassifier, LoLDataModule
from lol_lightning.data.batch import Insertions
from lol_lightning.data.options import LoaderOptions
from lol_lightning.data.tokens import TokenDataModule
from lol_lightning.exceptions import DataError, TargetsError


def test_batches_hold_the_tokens_of_their_rows():
    data = token_data(batch_size=8)
    data.setup("fit")
    batch = next(iter(data.val_dataloader()))
    expected = tiny_tokenizer()(rows().text[:8].tolist(), padding=True, return_tensors="pt")
    assert set(batch.features) == {"input_ids", "attention_mask"}
    assert torch.equal(batch.features["input_ids"], expected["input_ids"])
    assert torch.equal(batch.features["attention_mask"], expected["attention_mask"])
    widths = {batch.features["input_ids"].shape[1] for batch in data.train_dataloader()}
    assert max(widths) <= 9
    assert batch.votes.shape == (8, 3)
    assert batch.to("cpu").pin_memory is not None


def test_everything_else_is_that_of_a_data_module():
    data = token_data(batch_size=8)
    data.setup()
    assert repr(data).startswith("TokenDataModule(train=60 of 60, val=60, test=60, predict=60, lfs=3, classes=2")
    assert data.num_features is None
    assert [record.name for record in data.records] == ["prize", "song", "win"]
    assert {feature.term for record in data.records for feature in record.features} >= {"prize", "song", "melody"}
    assert data.gradient_targets is None
    assert set(data.audit.inserted) == {"prize", "song", "melody", "win"}
    assert data.lf_summary().shape[0] == 3
    votes = LoLDataModule(rows(), lfs=lfs(), progress_bar=False)
    votes.setup("fit")
    assert np.array_equal(data.train_votes, votes.train_votes)


def test_rows_without_a_vote_are_dropped_with_their_tokens():
    frame = pd.DataFrame({"text": ["w1 w2 w3", "win a prize", "w4", "nice song"]})
    data = TokenDataModule(frame, tokenizer=backend(), lfs=lfs(), progress_bar=False)
    data.setup("fit")
    assert data.dataset("train").features.lengths.tolist() == [5, 4]
    data = token_data()
    data.draw_train_rows(10, seed=0)
    data.setup("fit")
    assert len(data.dataset("train").features) == 10


@pytest.mark.parametrize("loader", [LoaderOptions(num_workers=1), LoaderOptions(on_device=True)], ids=repr)
def test_workers_and_devices_cut_the_same_batches(loader):
    batches = []
    for options in ({}, {"loader": loader}):
        data = token_data(batch_size=16, **options)
        data.setup("fit")
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "This process .* is multi-threaded", DeprecationWarning)
            batches.append(list(data.train_dataloader()))
    for one, other in zip(*batches, strict=True):
        assert torch.equal(one.features["input_ids"], other.features["input_ids"])
        assert torch.equal(one.votes, other.votes)


def test_a_spawned_process_gets_votes_and_tokenizer():
    data = token_data()
    again = pickle.loads(pickle.dumps(data))
    assert again.lf_names == data.lf_names
    for module in (data, again):
        module.setup("fit")
    assert torch.equal(again.dataset("train").features.ids, data.dataset("train").features.ids)


def test_a_missing_text_is_named_before_lfs_run():
    def never(x):
        raise AssertionError

    frame = pd.DataFrame({"text": ["win", None]})
    with pytest.raises(DataError, match="row 1 holds nan in 'text', not a text"):
        TokenDataModule(frame, tokenizer=backend(), lfs=[never], progress_bar=False).setup("fit")


def test_targets_of_a_bag_of_words_are_refused():
    data = token_data(records=toy_targets())
    with pytest.raises(TargetsError, match=r"targets are of 30 features, such as the words of a bag.*TokenSequences"):
        data.setup("fit")


def test_insertions_take_rows_of_tokens():
    data = token_data()
    with_term = data.feature_space.transform(["win a prize", "w1 w2"])
    without_term = data.feature_space.transform(["win a", "w1"])
    number = torch.tensor([0, 1])
    insertions = Insertions(with_term, without_term, number, number, torch.ones(2), torch.ones(2)).to("cpu")
    assert len(insertions) == 2
    network = tiny_bert().eval()
    difference = LoLClassifier(network, num_classes=2)(insertions.with_term) - network(**without_term.batch()).logits
    expected = network(**with_term.batch()).logits - network(**without_term.batch()).logits
    torch.testing.assert_close(difference, expected)


def test_checkpoints_hold_the_tokenizer(tmp_path):
    data = token_data(max_length=6)
    model = LoLClassifier(tiny_bert(), num_classes=2, method="lol-simple", lr=1e-3)
    trainer = pl.Trainer(**trainer_options(max_epochs=1))
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    texts = ["win a prize of the day", "nice song"]
    again = TokenDataModule.load_from_checkpoint(tmp_path / "model.ckpt", predict=texts)
    assert type(again) is LoLDataModule
    assert repr(again.feature_space) == repr(data.feature_space)
    loaded = LoLClassifier.load_from_checkpoint(tmp_path / "model.ckpt", network=tiny_bert())
    assert loaded.feature_space.reads_like(data.feature_space)
    predicted = torch.cat(pl.Trainer(**trainer_options()).predict(loaded, again)).double().numpy()
    assert np.allclose(predicted, model.predict_proba(texts), atol=1e-6)
    other = token_data(words_to_ids)
    with pytest.raises(DataError, match=r"trained on TokenSequences\(.*other ones, TokenSequences\('words_to_ids'"):
        pl.Trainer(**trainer_options(max_epochs=2)).fit(
            LoLClassifier(tiny_bert(), num_classes=2, method="lol-simple"),
            other,
            ckpt_path=tmp_path / "model.ckpt",
            weights_only=True,
        )


class Own(nn.Module):
    """A recurrent network over token ids, as a user writes it."""

    def __init__(self, num_classes=2):
        super().__init__()
        self.embedding = nn.Embedding(40, 16, padding_idx=0)
        self.lstm = nn.LSTM(16, 16, batch_first=True)
        self.head = nn.Linear(16, num_classes)

    def forward(self, input_ids, attention_mask):
        states, _ = self.lstm(self.embedding(input_ids))
        mask = attention_mask[..., None].to(states.dtype)
        return self.head((states * mask).sum(1) / mask.sum(1))


@pytest.mark.parametrize("tokenizer", [None, words_to_ids], ids=["tokenizers", "callable"])
def test_a_network_of_ones_own_learns_from_votes(tokenizer):
    data = token_data(tokenizer)
    model = LoLClassifier(Own(), num_classes=2, method="lol-simple")
    trainer = pl.Trainer(**trainer_options(max_epochs=15))
    trainer.fit(model, data)
    assert trainer.test(model, data, verbose=False)[0]["test_accuracy"] == 1.0
    probabilities = model.predict_proba(["win a prize", "nice song"])
    assert probabilities.argmax(1).tolist() == [1, 0]


def test_a_bert_learns_from_votes():
    data = token_data()
    model = LoLClassifier(tiny_bert(), num_classes=2, method="lol-simple", lr=1e-3)
    trainer = pl.Trainer(**trainer_options(max_epochs=12))
    trainer.fit(model, data)
    assert trainer.test(model, data, verbose=False)[0]["test_accuracy"] == 1.0
    assert model.predict(["win a prize", "nice song"]).tolist() == [1, 0]
