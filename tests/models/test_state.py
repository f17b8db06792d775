"""What was trained survives: checkpoints, spawned processes, weight averaging, other processes."""

import json
import sys

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from own_module import OwnClassifier, data, rows
from processes import HELPERS, run_python
from pytorch_lightning.callbacks import EMAWeightAveraging, WeightAveraging
from toy import loader, toy_batch, trainer_options

from lol_lightning import BagOfWords, GradientPenalty, LoLClassifier, LoLDataModule, keyword_lf
from lol_lightning.exceptions import ConfigurationError, DataError

TEXTS = ["win a prize", "what a song", "nothing of it"]


def fit(model, module, **options):
    trainer = pl.Trainer(**trainer_options(**{"max_epochs": 6, **options}))
    trainer.fit(model, datamodule=module)
    return trainer


def run(*arguments):
    return run_python("-W", "ignore", *arguments)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    pl.seed_everything(0, verbose=False)
    model = LoLClassifier(lf_weights="coverage", hidden_sizes=(8,), penalty={"c": 0.3})
    trainer = fit(model, data())
    path = tmp_path_factory.mktemp("trained") / "model.ckpt"
    trainer.save_checkpoint(path)
    return model, trainer, path


def test_weights_sizes_and_numbers_in_force_are_in_the_checkpoint(trained):
    model, _, path = trained
    checkpoint = torch.load(path, weights_only=True)
    state, hparams = checkpoint["state_dict"], checkpoint["hyper_parameters"]
    coverage = torch.tensor([0.25, 0.5, 0.25])
    torch.testing.assert_close(state["lol.lf_weights"], coverage / coverage.mean())
    torch.testing.assert_close(state["lol.penalty.lf_weights"], state["lol.lf_weights"])
    assert state["lol.class_weights"].shape == (2,)
    torch.testing.assert_close(state["lol.class_shares"], model.lol.class_shares)
    assert hparams["class_shares"] == pytest.approx(model.lol.class_shares.tolist())
    assert not torch.equal(state["lol.mean_prediction"], state["lol.class_shares"])
    assert all(value.is_floating_point() or name.endswith("_extra_state") for name, value in state.items())
    assert (hparams["num_features"], hparams["num_classes"]) == (model.hparams["num_features"], 2)
    assert hparams["lf_weights"] == pytest.approx((coverage / coverage.mean()).tolist())
    assert hparams["penalty"]["init_args"]["alpha"] == 10.0
    assert hparams["penalty"]["init_args"]["c"] == 0.3


def test_a_reloaded_checkpoint_has_the_same_validation_loss(trained):
    model, trainer, path = trained
    again = LoLClassifier.load_from_checkpoint(path, weights_only=True)
    unlabeled = lambda: type(data())(rows(), val=rows().drop(columns="label"), lfs=data().lfs, progress_bar=False)  # noqa: E731
    for module in (data, unlabeled):
        before, after = (trainer.validate(m, module(), verbose=False)[0]["val_loss"] for m in (model, again))
        assert before == after
    torch.testing.assert_close(again.lol.lf_weights, model.lol.lf_weights)
    assert (
        (again.lol.penalty.alpha_, again.lol.penalty.c_)
        == (model.lol.penalty.alpha_, model.lol.penalty.c_)
        == (10.0, 0.3)
    )


def test_a_checkpoint_answers_for_new_texts_in_another_process(trained):
    model, _, path = trained
    code = (
        "import json, sys; from lol_lightning import LoLClassifier\n"
        "model = LoLClassifier.load_from_checkpoint(sys.argv[1], weights_only=True)\n"
        "print(json.dumps(model.predict_proba(json.loads(sys.argv[2])).tolist()))"
    )
    there = json.loads(run("-c", code, path, json.dumps(TEXTS)))
    np.testing.assert_allclose(there, model.predict_proba(TEXTS), atol=1e-7)
    assert model.predict(TEXTS).tolist()[:2] == [1, 0]


def test_one_file_of_arrays_holds_the_model(trained, tmp_path):
    model, _, _ = trained
    model.save(tmp_path / "model.lol")
    state = torch.random.get_rng_state()
    again = LoLClassifier.load(tmp_path / "model.lol")
    assert torch.random.get_rng_state().equal(state)
    np.testing.assert_array_equal(again.predict_proba(TEXTS), model.predict_proba(TEXTS))
    assert again.hparams == model.hparams
    (tmp_path / "other").write_bytes(b"PK\x03\x04 no archive")
    with pytest.raises(DataError, match="other"):
        LoLClassifier.load(tmp_path / "other")


def test_a_network_of_ones_own_is_saved_with_its_code_only(tmp_path):
    model = LoLClassifier(torch.nn.Linear(30, 3), num_classes=3)
    with pytest.raises(ConfigurationError, match="load_from_checkpoint"):
        model.save(tmp_path / "model")


def test_a_feature_space_of_ones_own_is_not_left_out_of_a_file_silently(tmp_path):
    class Unregistered(BagOfWords):
        """Differs from a bag of words in code that no file holds."""

    train, lfs = ["win a prize", "nice song"] * 4, [keyword_lf("prize", ["prize"], 1), keyword_lf("song", ["song"], 0)]
    module = LoLDataModule(train, lfs=lfs, feature_space=Unregistered(), progress_bar=False)
    model = LoLClassifier(hidden_sizes=(8,))
    fit(model, module, limit_val_batches=0)
    with pytest.raises(ConfigurationError, match="Unregistered cannot be saved with a model"):
        model.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.filterwarnings("ignore:You're using the WeightAveraging callback")
@pytest.mark.parametrize("callback", [EMAWeightAveraging, WeightAveraging])
@pytest.mark.parametrize("own", [False, True])
def test_averaged_weights_are_whole_and_leave_all_else_alone(tmp_path, callback, own):
    pl.seed_everything(0, verbose=False)
    module = data()
    if own:
        module.setup("fit")
        model = OwnClassifier(module.num_features, 2)
    else:
        model = LoLClassifier(lf_weights="coverage", hidden_sizes=(8,))
    averaging = EMAWeightAveraging(decay=0.5) if callback is EMAWeightAveraging else WeightAveraging()
    trainer = fit(model, module, callbacks=[averaging])
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    state = torch.load(tmp_path / "model.ckpt", weights_only=True)["state_dict"]
    assert "network.bags.weight" in state
    expected = [1.0, 1.0, 1.0] if own else [0.75, 1.5, 0.75]
    assert state["lol.lf_weights"].tolist() == expected
    loss = trainer.validate(model, module, verbose=False)[0]["val_loss"]
    again = type(model).load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    assert trainer.validate(again, data(), verbose=False)[0]["val_loss"] == pytest.approx(loss, abs=1e-7)
    assert again.lol.penalty.alpha_ == model.lol.penalty.alpha_ == 10.0
    if not own:
        assert again.feature_space.feature_names == module.feature_space.feature_names


@pytest.mark.ddp
@pytest.mark.slow
@pytest.mark.parametrize(
    ("case", "strategy"), [("classifier", "ddp_spawn"), ("own", "ddp_spawn"), ("classifier", "ddp_notebook")]
)
def test_spawned_processes_give_their_trained_weights_back(case, strategy):
    result = json.loads(run(HELPERS / "spawn_fit.py", case, strategy).rpartition("RESULT ")[2])
    if case == "own":
        assert result["lf_weights"] == [1.0, 1.0, 1.0]
        assert result["after"]["val_loss"] < 0.2
        return
    assert result["after"]["val_accuracy"] == result["in_fit"]["val_accuracy"] == 1.0
    assert result["lf_weights"] == [0.75, 1.5, 0.75]
    assert result["alpha"] == 10.0
    assert np.argmax(result["proba"], 1).tolist() == [1, 0]


def test_loaders_train_as_the_data_module_does_where_all_numbers_are_given():
    losses = []
    for through_loader in (False, True):
        module = data()
        module.setup("fit")
        weights = {"lf_weights": [1.0, 2.0, 1.0], "class_weights": [1.0, 0.5], "class_shares": [0.4, 0.6]}
        weights["penalty"] = {"alpha": 2.0}
        torch.manual_seed(0)
        model = LoLClassifier(num_features=module.num_features, num_classes=2, dropout=0.0, **weights)
        trainer = pl.Trainer(**trainer_options(max_epochs=3))
        if through_loader:
            trainer.fit(model, module.train_dataloader(), module.val_dataloader())
        else:
            trainer.fit(model, module)
        losses.append({name: float(value) for name, value in trainer.callback_metrics.items()})
    assert losses[0] == losses[1]


def test_a_reloaded_model_takes_from_new_data_what_it_took_from_the_old(trained):
    _, _, path = trained
    again = LoLClassifier.load_from_checkpoint(path, weights_only=True)
    assert again.hparams["class_shares"] == pytest.approx(again.lol.class_shares.tolist())
    fit(again, LoLDataModule(rows(400), lfs=data().lfs, progress_bar=False), max_epochs=1, limit_val_batches=0)
    assert (again.lol.penalty.alpha_, again.lol.penalty.c_) == (2.5, 0.3)
    assert again.lol.class_shares is None
    assert again.hparams["class_shares"] == "validation"
    assert again.hparams["penalty"]["init_args"]["alpha"] == 2.5


def test_a_loaded_model_is_trained_in_training_mode(trained, tmp_path, caplog):
    model, _, _ = trained
    model.save(tmp_path / "model.lol")
    again = LoLClassifier.load(tmp_path / "model.lol")
    assert not again.training
    with caplog.at_level("INFO"):
        trainer = fit(again, data(), max_epochs=1)
    assert "goes to training mode" in caplog.text
    assert "train_penalty" in trainer.callback_metrics


def test_a_reloaded_model_goes_on_with_loaders(trained, caplog):
    model, _, path = trained
    again = LoLClassifier.load_from_checkpoint(path, weights_only=True)
    module = data()
    module.setup("fit")
    with caplog.at_level("INFO"):
        pl.Trainer(**trainer_options(max_epochs=1)).fit(again, module.train_dataloader())
    assert caplog.text.count("of the earlier fit hold") == 1
    torch.testing.assert_close(again.lol.class_shares, model.lol.class_shares)
    torch.testing.assert_close(again.lol.lf_weights, model.lol.lf_weights)


def test_a_state_says_which_arguments_it_takes_the_place_of(trained, caplog):
    model, _, path = trained
    with caplog.at_level("INFO"):
        LoLClassifier.load_from_checkpoint(path, weights_only=True)
    assert "takes the place" not in caplog.text
    own = {"penalty": {"c": 0.1}, "class_shares": [0.9, 0.1]}
    with caplog.at_level("INFO"):
        again = LoLClassifier.load_from_checkpoint(path, weights_only=True, **own)
    (line,) = [message for message in caplog.messages if "takes the place" in message]
    assert "class_shares=[0.9, 0.1]" in line
    assert "c=0.1" in line
    assert again.hparams["penalty"] == model.hparams["penalty"]
    assert again.hparams["class_shares"] == model.hparams["class_shares"]


def test_a_fit_by_loaders_says_what_it_cannot_know(caplog):
    with caplog.at_level("INFO"):
        pl.Trainer(**trainer_options(max_epochs=1)).fit(
            LoLClassifier(num_features=30, num_classes=3), loader(toy_batch())
        )
    assert caplog.text.count("no class shares are known") == 1


def test_a_penalty_reloads_as_its_own_class_and_never_imports_one(tmp_path):
    model = LoLClassifier(num_features=30, num_classes=3, penalty=GradientPenalty(unit="log-odds", every=2))
    trainer = pl.Trainer(**trainer_options(max_epochs=1))
    trainer.fit(model, loader(toy_batch()))
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    again = LoLClassifier.load_from_checkpoint(tmp_path / "model.ckpt", weights_only=True)
    assert (again.lol.penalty.unit, again.lol.penalty.every) == ("log-odds", 2)
    checkpoint = torch.load(tmp_path / "model.ckpt", weights_only=True)
    checkpoint["hyper_parameters"]["penalty"]["class_path"] = "antigravity.Penalty"
    torch.save(checkpoint, tmp_path / "foreign.ckpt")
    with pytest.raises(ConfigurationError, match="no penalty that is loaded"):
        LoLClassifier.load_from_checkpoint(tmp_path / "foreign.ckpt", weights_only=True)
    assert "antigravity" not in sys.modules
