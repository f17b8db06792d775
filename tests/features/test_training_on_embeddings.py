"""From texts through a frozen encoder to a trained model, its file, and answers for new rows."""

import json
import logging
import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from tiny_encoder import save_tiny_encoder
from toy import trainer_options

from lol_lightning import BagOfWords, LoLClassifier, LoLDataModule, LoLLabelModel, keyword_lf
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.features import ColumnFeatures, TextEmbeddings

TEXTS = ["check my channel", "a great song", "visit my link now", "nice music", "subscribe please", "i love the video"]
LABELS = [1, 0, 1, 0, 1, 0]
LFS = [
    keyword_lf("links", ["check", "visit", "subscribe"], label=1),
    keyword_lf("praise", ["great", "nice", "love"], label=0),
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return save_tiny_encoder(tmp_path_factory.mktemp("encoder"), sentence_transformer=True)


def embeddings(folder):
    return TextEmbeddings(folder, device="cpu", progress_bar=False)


def fitted(space, **arguments):
    rows = [{"text": text, "label": label} for text, label in zip(TEXTS, LABELS, strict=True)] * 4
    data = LoLDataModule(rows, val=rows, lfs=LFS, feature_space=space, batch_size=8, progress_bar=False)
    model = LoLClassifier(class_shares=None, **arguments)
    trainer = pl.Trainer(**trainer_options(max_epochs=20))
    trainer.fit(model, data)
    return trainer, model, data


@pytest.mark.parametrize("method", ["lol-simple", "lol"])
def test_a_head_learns_on_embeddings_alone(folder, method, caplog):
    with caplog.at_level(logging.INFO):
        trainer, model, data = fitted(embeddings(folder), method=method)
    assert "6 inspected terms make the demands of 2 of 2 LFs." in caplog.text
    assert "train with their votes alone" not in caplog.text
    assert trainer.callback_metrics["val_accuracy"] == 1
    assert data.num_features == 32
    assert data.gradient_targets is None
    assert set(data.audit.inserted) == {"check", "visit", "subscribe", "great", "nice", "love"}
    assert model.predict(["check the link", "a great song"]).tolist() == [1, 0]


def test_bag_and_embedding_side_by_side_has_the_targets_of_the_bag(folder):
    space = ColumnFeatures({"words": BagOfWords(), "meaning": embeddings(folder)})
    trainer, _, data = fitted(space)
    assert trainer.callback_metrics["val_accuracy"] == 1
    words = {space.feature_names[j] for j in data.gradient_targets.feature.tolist()}
    assert words == {f"words: {word}" for word in ("check", "visit", "subscribe", "great", "nice", "love")}
    assert trainer.callback_metrics["train_penalty"] >= 0


def test_samples_of_the_smoothing_distribution_hold_the_mean_embedding(folder):
    space = ColumnFeatures({"words": BagOfWords(), "meaning": embeddings(folder)}).fit(TEXTS)
    num_words = space.parts["words"].num_features
    phi, scale = space.observed_frequency, space.feature_scale
    sample = torch.bernoulli(phi) * scale
    assert (phi[num_words:] == 1).all()
    np.testing.assert_allclose(sample[num_words:], space.parts["meaning"].transform(TEXTS).mean(0), atol=1e-6)


def test_a_file_and_a_checkpoint_name_the_encoder_and_hold_none_of_its_weights(folder, tmp_path):
    trainer, model, _ = fitted(embeddings(folder))
    model.save(tmp_path / "model.lol")
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    new = ["visit this page", "a nice song"]
    expected = model.predict_proba(new)
    for again in (
        LoLClassifier.load(tmp_path / "model.lol"),
        LoLClassifier.load_from_checkpoint(tmp_path / "model.ckpt"),
        pickle.loads(pickle.dumps(model)),
    ):
        np.testing.assert_allclose(again.predict_proba(new), expected, rtol=1e-5)
    data = LoLDataModule.load_from_checkpoint(tmp_path / "model.ckpt", predict=new)
    answers = torch.cat(pl.Trainer(logger=False, enable_progress_bar=False, accelerator="cpu").predict(model, data))
    np.testing.assert_allclose(answers, expected, rtol=1e-5)
    weights = sum(path.stat().st_size for path in folder.glob("*.safetensors"))
    assert (tmp_path / "model.lol").stat().st_size < weights


def test_a_model_whose_encoder_is_elsewhere_says_so(tmp_path):
    folder = save_tiny_encoder(tmp_path / "encoder")
    _, model, _ = fitted(embeddings(folder))
    expected = model.predict_proba(TEXTS)
    model.save(tmp_path / "model.lol")
    folder.rename(tmp_path / "moved")
    again = LoLClassifier.load(tmp_path / "model.lol")
    with pytest.raises(ConfigurationError, match=r"encoder' of the encoder is missing. Give the encoder again"):
        again.predict_proba(TEXTS)
    again.feature_space.use_encoder(tmp_path / "moved")
    np.testing.assert_allclose(again.predict_proba(TEXTS), expected, rtol=1e-5)


def test_the_label_model_takes_it(folder):
    model = LoLLabelModel(2, verbose=False)
    rows = TEXTS * 4
    votes = np.array([[lf(_Point(text)) for lf in LFS] for text in rows])
    options = {"X": rows, "lfs": LFS, "n_epochs": 20, "progress_bar": False}
    model.fit(votes, feature_space=embeddings(folder), **options)
    assert type(model.classifier_.lol.penalty).__name__ == "InsertionPenalty"
    assert model.predict(None, X=["check the link", "a great song"]).tolist() == [1, 0]
    model.fit(votes, feature_space=ColumnFeatures({"words": BagOfWords(), "meaning": embeddings(folder)}), **options)
    assert model.predict(None, X=["check the link", "a great song"]).tolist() == [1, 0]


class _Point:
    def __init__(self, text):
        self.text = text


@pytest.mark.ddp
@pytest.mark.slow
def test_spawned_processes_train_on_embeddings(folder, tmp_path):
    script = Path(__file__).parents[1] / "helpers" / "spawn_embeddings.py"
    environment = {**os.environ, "PYTHONPATH": f"{Path(__file__).parents[2]}{os.pathsep}{script.parent}"}
    command = [sys.executable, str(script), str(folder), str(tmp_path / "cache")]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=280).stdout
    result = json.loads(output.rpartition("RESULT ")[2])
    assert result["accuracy"] == 1
    assert result["finite"]
    assert np.argmax(result["proba"], 1).tolist() == [1, 0]
    assert len(list((tmp_path / "cache").rglob("*.npz"))) >= 1
