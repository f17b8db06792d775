"""InsertionPenalty on tokens: a tiny BERT meets more demands, under each way to train it that fine-tuning has."""

import copy

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from toy import trainer_options

from lol_lightning import LoLClassifier
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.tokens import TokenDataModule
from lol_lightning.inspection.insertion import InsertionOptions
from lol_lightning.losses import InsertionPenalty
from lol_lightning.models.fine_tuning import FineTuning

pytest.importorskip("transformers")
from tiny_bert import backend, lfs, tiny_bert, token_data, words_to_ids

FEW = InsertionOptions(max_insertions=60, places=("random",), rows_per_term=4)


def fit(data, model, **options):
    torch.manual_seed(0)
    trainer = pl.Trainer(**trainer_options(**{"max_epochs": 4, **options}))
    trainer.fit(model, data)
    return trainer


def bert(seed=0, **options):
    torch.manual_seed(seed)
    return tiny_bert(**options)


def classifier(network=None, **options):
    options = {"num_classes": 2, "lr": 3e-3, "penalty": {"alpha": 10.0}, **options}
    return LoLClassifier(bert() if network is None else network, **options)


def measured(network, data, c=0.25):
    """Penalty and the part of the demands met, on all insertions."""
    bank = copy.copy(data.dataset("train").insertions)
    bank.terms_per_step = None
    batch = data.dataset("train").__getitems__(range(8))
    batch = LoLBatch(batch.features, batch.votes, insertions=bank.draw(0))
    with torch.no_grad():
        result = InsertionPenalty(c=c).measure(network, batch, 0)
    return float(result.penalty), float(result.met())


def ids_of(rows, number):
    return rows.ids[rows.offsets[number] : rows.offsets[number + 1]].tolist()


def test_a_transformer_meets_the_demands_by_training_on_them():
    reached = {}
    for method in ("lol-simple", "lol"):
        data = token_data(insertions=FEW)
        data.setup("fit")
        model = classifier(method=method, penalty=None if method == "lol-simple" else {"alpha": 10.0})
        before = measured(model.network, data)
        fit(data, model, max_epochs=7)
        reached[method] = measured(model.network, data)
    assert type(model.lol.penalty) is InsertionPenalty
    assert before[1] == 0
    assert reached["lol"][1] == 1
    assert reached["lol"][0] < 0.1 * before[0]
    assert reached["lol"][0] < reached["lol-simple"][0]


def test_tokens_choose_insertions_by_themselves():
    data = token_data()
    model = LoLClassifier(bert(), lr=1e-3)
    trainer = fit(data, model, max_epochs=1)
    assert type(model.lol.penalty) is InsertionPenalty
    assert (model.lol.penalty.alpha_, model.lol.penalty.c_) == (3.0, 0.3)
    assert trainer.callback_metrics["train_penalty"] > 0
    assert trainer.callback_metrics["train_met_demands"] <= 1
    assert model.hparams["penalty"]["class_path"].endswith("InsertionPenalty")


def test_a_function_for_a_tokenizer_works_the_same():
    data = token_data(words_to_ids, insertions=FEW)
    network = torch.nn.Sequential(torch.nn.EmbeddingBag(40, 16), torch.nn.Linear(16, 2))
    model = classifier(network, lr=0.05)
    data.setup("fit")
    before = measured(network, data)
    fit(data, model, max_epochs=15)
    assert before[1] == 0
    assert measured(network, data)[1] == 1


@pytest.mark.parametrize("tokenizer", ["tokenizers", "callable"])
def test_truncation_keeps_the_inserted_word(tokenizer):
    texts = ["this is the nice song of the day w1 w2 w3 w4 w5 w6 w7 w8 w9", "win a prize"]
    frame = pd.DataFrame({"text": texts})
    tokenize = {"tokenizers": backend(), "callable": words_to_ids}[tokenizer]
    options = InsertionOptions(places=("random",), max_insertions=200)
    lf = lfs()[0]
    data = TokenDataModule(frame, tokenizer=tokenize, max_length=6, lfs=[lf], progress_bar=False, insertions=options)
    data.setup("fit")
    bank = data.dataset("train").insertions
    (prize,) = set(words_to_ids(["prize"])[0][:1]) if tokenizer == "callable" else {backend().token_to_id("prize")}
    assert len(bank) >= 2
    for number in range(len(bank)):
        with_term, without_term = ids_of(bank.with_term, number), ids_of(bank.without_term, number)
        assert len(with_term) <= 6
        assert prize in with_term
        # The words around the term stay in both: each has at most one at the window's edge that the other has not.
        ours = [token for token in with_term if token != prize]
        assert len(set(ours) - set(without_term)) <= 1
        assert len(without_term) == 6


@pytest.mark.filterwarnings("ignore:.*is_gradient_checkpointing:FutureWarning")
def test_gradient_checkpointing_changes_no_number():
    weights = []
    for checkpointing in (False, True):
        network = bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        model = classifier(network, fine_tuning=FineTuning(gradient_checkpointing=checkpointing))
        fit(token_data(insertions=FEW), model, max_steps=3)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in network.parameters()]))
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
def test_a_compiled_transformer_trains_as_a_plain_one():
    weights = []
    for compiled in (False, True):
        network = bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        model = classifier(torch.compile(network, backend="aot_eager") if compiled else network)
        fit(token_data(insertions=FEW), model, max_steps=3)
        weights.append(torch.cat([parameter.detach().flatten() for parameter in network.parameters()]))
    torch.testing.assert_close(*weights, rtol=1e-4, atol=1e-5)


def test_bfloat16_meets_the_demands_too():
    data = token_data(insertions=FEW)
    model = classifier()
    data.setup("fit")
    before = measured(model.network, data)
    trainer = fit(data, model, max_epochs=7, precision="bf16-mixed")
    after = measured(model.network, data, c=0.2)
    assert before[1] == 0
    assert after[1] == 1
    assert np.isfinite(float(trainer.callback_metrics["train_loss"]))


def test_a_checkpoint_answers_for_new_texts(tmp_path):
    data = token_data(insertions=FEW)
    model = classifier()
    trainer = fit(data, model, max_epochs=8)
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = LoLClassifier.load_from_checkpoint(tmp_path / "model.ckpt")
    texts = ["win a prize", "nice song"]
    assert again.predict(texts).tolist() == [1, 0]
    np.testing.assert_allclose(again.predict_proba(texts), model.predict_proba(texts), atol=1e-6)
    assert type(again.lol.penalty) is InsertionPenalty
