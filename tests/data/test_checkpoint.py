import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
import pytorch_lightning as pl
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from snorkel.labeling import LabelingFunction
from toy import trainer_options

from lol_lightning.data import Classes, ClassShares, LoLDataModule, WrenchDataModule
from lol_lightning.exceptions import ConfigurationError, DataError
from lol_lightning.features.bag_of_words import BagOfWords
from lol_lightning.features.table import TableFeatures
from lol_lightning.lfs.rules import keyword_lf
from lol_lightning.models.classifier import LoLClassifier

TEXTS = ["win a prize", "nice song", "a lovely song", "prize inside"] * 4
NEW = ["a prize for you", "what a song", "zzz"]
LFS = [
    LabelingFunction("prize", lambda x: 1 if "prize" in x.comment else -1),
    keyword_lf("song", ["song"], 0, text_column="comment"),
]


def frame(texts=TEXTS):
    return pd.DataFrame({"comment": texts})


def data_module(texts=TEXTS, **options):
    space = BagOfWords(TfidfVectorizer(), text_column="comment")
    options = {"text_column": "comment", "lfs": LFS, "classes": ["ham", "spam"], "feature_space": space} | options
    return LoLDataModule(frame(texts), frame(texts[:4]), progress_bar=False, batch_size=5, **options)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    path = tmp_path_factory.mktemp("trained") / "model.ckpt"
    trainer = pl.Trainer(**trainer_options(max_epochs=3))
    model, data = LoLClassifier(hidden_sizes=(4,), lr=0.05), data_module()
    trainer.fit(model, data)
    trainer.save_checkpoint(path)
    return path, model, data


def predictions(model, data):
    return torch.cat(pl.Trainer(**trainer_options()).predict(model, data)).numpy()


def test_a_rebuilt_data_module_serves_rows_to_predict(trained):
    path, model, data = trained
    again = LoLDataModule.load_from_checkpoint(path, predict=frame(NEW))
    assert again.lf_names == ["prize", "song"]
    assert again.label_names == ["ham", "spam"]
    assert [[f.term for f in record.features] for record in again.records] == [["prize"], ["song"]]
    assert [[f.source for f in record.features] for record in again.records] == [["traced"], ["declared"]]
    assert again.feature_space.feature_names == data.feature_space.feature_names
    loaded = LoLClassifier.load_from_checkpoint(path)
    np.testing.assert_allclose(predictions(loaded, again), model.predict_proba(frame(NEW)), atol=1e-6)
    assert repr(again) == "LoLDataModule(predict=3, lfs=2, classes=2, features=6, batch_size=5)"
    with pytest.raises(DataError, match="no train rows; give train="):
        again.setup("fit")


class Named(LoLDataModule):
    def __init__(self, *rows, name="none", **options):
        super().__init__(*rows, **options)
        self.name = name


class Directory(LoLDataModule):
    def __init__(self, root):
        super().__init__(frame(TEXTS), lfs=[str(root)], votes=[[0]] * len(TEXTS), progress_bar=False)


def test_a_subclass_is_rebuilt_as_such_where_it_takes_the_arguments(trained, caplog):
    path, _, _ = trained
    again = Named.load_from_checkpoint(path, predict=frame(NEW), name="mine")
    assert type(again) is Named
    assert (again.name, again.num_features) == ("mine", 6)
    assert "does not take the arguments" not in caplog.text
    with caplog.at_level("INFO"):
        plain = Directory.load_from_checkpoint(path, predict=frame(NEW))
    assert type(plain) is LoLDataModule
    assert "Directory does not take the arguments of LoLDataModule (missing a required argument: 'root')" in caplog.text


@pytest.mark.parametrize(
    ("balance", "shares", "num_labels"),
    [
        ({"spam": 1, "ham": 3}, [0.75, 0.25], None),
        (ClassShares(np.array([0.1, 0.9]), 20), [0.1, 0.9], 20),
    ],
)
def test_the_class_balance_is_kept(balance, shares, num_labels, tmp_path):
    data = LoLDataModule(
        frame(TEXTS),
        lfs=LFS,
        text_column="comment",
        classes=Classes(["ham", "spam"], balance=balance),
        progress_bar=False,
    )
    trainer = pl.Trainer(**trainer_options(max_epochs=1))
    trainer.fit(LoLClassifier(hidden_sizes=(4,)), data)
    trainer.save_checkpoint(tmp_path / "balanced.ckpt")
    again = LoLDataModule.load_from_checkpoint(tmp_path / "balanced.ckpt", predict=frame(NEW))
    assert again.class_shares.shares.tolist() == shares
    assert again.class_shares.num_labels == num_labels
    assert again.label_names == ["ham", "spam"]


def test_a_rebuilt_data_module_tests_labeled_rows(trained):
    path, _, _ = trained
    rows = frame(NEW[:2]).assign(label=["spam", "ham"])
    again = LoLDataModule.load_from_checkpoint(path, test=rows, batch_size=1)
    model = LoLClassifier.load_from_checkpoint(path)
    result = pl.Trainer(**trainer_options()).test(model, again, verbose=False)[0]
    assert result["test_accuracy"] == 1.0
    assert len(again.test_dataloader()) == 2


def test_another_process_needs_neither_training_rows_nor_lfs(trained):
    path, model, _ = trained
    code = f"""
import pytorch_lightning as pl, torch
from lol_lightning import LoLClassifier, LoLDataModule
data = LoLDataModule.load_from_checkpoint({str(path)!r}, predict={NEW!r})
model = LoLClassifier.load_from_checkpoint({str(path)!r})
trainer = pl.Trainer(accelerator="cpu", logger=False, enable_progress_bar=False, enable_checkpointing=False)
print(torch.cat(trainer.predict(model, data)).tolist())
"""
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", code], check=True, capture_output=True, text=True)
    np.testing.assert_allclose(eval(done.stdout.splitlines()[-1]), model.predict_proba(frame(NEW)), atol=1e-6)


def test_checkpoints_hold_plain_types(trained):
    path, _, _ = trained
    state = torch.load(path, weights_only=True)["LoLDataModule"]
    assert state["kind"] == "lol_lightning data module"
    assert state["lf_names"] == ["prize", "song"]


def test_the_checkpoint_of_a_process_without_a_data_module_has_the_models_feature_space(trained, tmp_path):
    path, model, _ = trained
    content = torch.load(path, weights_only=True)
    del content["LoLDataModule"]
    torch.save(content, tmp_path / "bare.ckpt")
    again = LoLDataModule.load_from_checkpoint(tmp_path / "bare.ckpt", predict=frame(NEW))
    assert again.num_classes == 2
    np.testing.assert_allclose(predictions(model, again), model.predict_proba(frame(NEW)), atol=1e-6)


def test_training_goes_on_from_a_checkpoint_with_the_same_rows_only(trained):
    path, _, _ = trained
    trainer = pl.Trainer(**trainer_options(max_epochs=4))
    trainer.fit(LoLClassifier(hidden_sizes=(4,), lr=0.05), data_module(), ckpt_path=path)
    assert trainer.current_epoch == 4
    other = data_module([text.replace("nice", "bad") for text in TEXTS], test=frame(NEW).assign(label=[1, 0, 0]))
    with pytest.raises(
        DataError, match=r"trained on 6 features, and this data module has other ones, 6. Give it the same"
    ):
        pl.Trainer(**trainer_options()).test(LoLClassifier(hidden_sizes=(4,)), other, ckpt_path=path, verbose=False)


def test_state_fills_a_space_that_is_not_fitted(trained):
    _, _, data = trained
    other = data_module(["prize and a song"])
    other.load_state_dict(data.state_dict())
    other.setup("fit")
    assert other.feature_space.feature_names == data.feature_space.feature_names


def test_state_of_tables_and_of_data_before_setup():
    table = pd.DataFrame({"age": [1.0, 2.0, 3.0], "city": ["Oslo", "Rome", "Oslo"]})
    data = LoLDataModule(table, votes=[[1], [0], [1]], feature_space=TableFeatures(), classes=Classes(balance=[1, 1]))
    assert data.state_dict()["feature_space"] is None
    data.setup("fit")
    fresh = LoLDataModule(table, votes=[[1], [0], [1]], feature_space=TableFeatures())
    fresh.load_state_dict(data.state_dict())
    np.testing.assert_allclose(fresh.feature_space.transform(table), data.feature_space.transform(table))


def test_a_space_of_ones_own_class_is_an_argument_of_the_rebuilt_module(tmp_path):
    class Own(BagOfWords):
        pass

    trainer = pl.Trainer(**trainer_options(max_epochs=1))
    data = data_module(feature_space=Own(text_column="comment"))
    trainer.fit(LoLClassifier(hidden_sizes=(4,)), data)
    trainer.save_checkpoint(tmp_path / "own.ckpt")
    with pytest.raises(DataError, match=r"holds no feature space: .*register_feature_space.* Give feature_space="):
        LoLDataModule.load_from_checkpoint(tmp_path / "own.ckpt", predict=frame(NEW))
    again = LoLDataModule.load_from_checkpoint(
        tmp_path / "own.ckpt", predict=frame(NEW), feature_space=data.feature_space
    )
    again.setup("predict")
    assert len(again.dataset("predict")) == 3


def test_files_that_are_no_checkpoints(tmp_path):
    (tmp_path / "text.ckpt").write_text("no checkpoint")
    torch.save([1, 2], tmp_path / "list.ckpt")
    state = {"kind": "lol_lightning data module"}
    torch.save({"state_dict": {}, "LoLDataModule": state}, tmp_path / "broken.ckpt")
    for name, message in {
        "missing.ckpt": "is missing. Write it with Trainer.save_checkpoint",
        "text.ckpt": "is not a checkpoint of Lightning",
        "list.ckpt": "is not a checkpoint of Lightning: it has no state_dict",
        "broken.ckpt": "is not a checkpoint of Lightning: the state of the data module lacks 'feature_space'",
    }.items():
        with pytest.raises(DataError, match=message):
            LoLDataModule.load_from_checkpoint(tmp_path / name, predict=NEW)


def test_without_training_rows_there_must_be_a_fitted_space():
    with pytest.raises(
        ConfigurationError, match=r"no training rows to fit the feature space on: .*load_from_checkpoint"
    ):
        LoLDataModule(predict=NEW, lfs=LFS)
    data = LoLDataModule(predict=NEW, feature_space=BagOfWords().fit(TEXTS))
    data.setup("predict")
    (batch,) = data.predict_dataloader()
    assert batch.votes.shape == (3, 0)
    assert batch.features.to_dense().sum(1).tolist() == [2, 2, 0]


@pytest.mark.wrench
def test_wrench_checkpoints_give_plain_data_modules(wrench_root, tmp_path):
    data = WrenchDataModule(wrench_root / "youtube", max_train_rows=100)
    trainer = pl.Trainer(**trainer_options(max_epochs=1))
    model = LoLClassifier()
    trainer.fit(model, data)
    trainer.save_checkpoint(tmp_path / "youtube.ckpt")
    again = WrenchDataModule.load_from_checkpoint(tmp_path / "youtube.ckpt", predict=NEW)
    assert type(again) is LoLDataModule
    assert again.label_names == data.label_names
    np.testing.assert_allclose(predictions(model, again), model.predict_proba(NEW), atol=1e-6)
