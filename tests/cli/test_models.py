"""Models and penalties by class path, in a configuration and on the command line."""

import sys

import pytest
import torch
import yaml

from lol_lightning.baselines.end_to_end import EndToEndClassifier
from lol_lightning.cli import LoLCLI, main
from lol_lightning.losses import ExamplePenalty, GradientPenalty
from lol_lightning.models.classifier import LoLClassifier

MODULE = """
import torch
from lol_lightning import GradientPenalty, LoLClassifier, LoLLoss
from lol_lightning.networks import SparseMLP
from pytorch_lightning import LightningModule


class Wide(LoLClassifier):
    def __init__(self, factor: int = 2, **kwargs):
        super().__init__(hidden_sizes=[64 * factor, 16], **kwargs)


class MyModel(LightningModule):
    def __init__(self, num_features: int, width: int = 8):
        super().__init__()
        self.save_hyperparameters()
        self.network = SparseMLP(num_features, 2, (width,))
        self.lol = LoLLoss(GradientPenalty())

    def configure_model(self):
        self.lol.configure(self)

    def training_step(self, batch, batch_idx):
        return self.lol(self.network, batch, self.global_step).loss

    def validation_step(self, batch, batch_idx):
        hits = self.network(batch.features).argmax(-1) == batch.labels
        self.log("val_accuracy", hits.float().mean(), batch_size=len(batch))

    def test_step(self, batch, batch_idx):
        hits = self.network(batch.features).argmax(-1) == batch.labels
        self.log("test_accuracy", hits.float().mean(), batch_size=len(batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=0.03)
"""


@pytest.fixture(autouse=True)
def my_module(tmp_path, monkeypatch):
    (tmp_path / "modules").mkdir()
    (tmp_path / "modules" / "my_module.py").write_text(MODULE)
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    yield
    sys.modules.pop("my_module", None)


@pytest.fixture
def parsed(config, monkeypatch):
    """Build the model of a command without running it."""
    monkeypatch.setattr(LoLCLI, "_run_subcommand", lambda self, subcommand: None)

    def parse(*options, model=None):
        content = yaml.safe_load(config.read_text())
        if model is not None:
            content["model"] = model
        config.write_text(yaml.safe_dump(content))
        return LoLCLI(["fit", "--config", str(config), *options]).model

    return parse


@pytest.mark.parametrize(
    "model",
    [
        {"method": "lol-simple", "lr": 0.07},
        {"class_path": "lol_lightning.LoLClassifier", "init_args": {"method": "lol-simple", "lr": 0.07}},
        {"class_path": "LoLClassifier", "init_args": {"method": "lol-simple", "lr": 0.07}},
    ],
)
def test_arguments_of_the_model_stand_as_they_are_or_below_a_class_path(model, parsed):
    built = parsed(model=model)
    assert type(built) is LoLClassifier
    assert (built.hparams["method"], built.hparams["lr"]) == ("lol-simple", 0.07)
    changed = parsed("--model.lr", "0.2", "--model.dropout=0.4", model=model)
    assert (changed.hparams["method"], changed.hparams["lr"], changed.hparams["dropout"]) == ("lol-simple", 0.2, 0.4)


def test_the_model_may_be_left_out(parsed):
    assert type(parsed(model={})) is LoLClassifier
    assert parsed("--model.method", "lol-simple", model={}).hparams["method"] == "lol-simple"


@pytest.mark.parametrize("flag", ["--model=", "--model.class_path="])
def test_another_class_by_flag(flag, parsed):
    model = parsed(f"{flag}lol_lightning.baselines.end_to_end.EndToEndClassifier", "--model.encoder_lr=0.1", model={})
    assert type(model) is EndToEndClassifier
    assert model.hparams["encoder_lr"] == 0.1
    wide = parsed(f"{flag}my_module.Wide", "--model.factor=3", "--model.lr=0.5", model={})
    assert (wide.hparams["hidden_sizes"], wide.hparams["lr"]) == ([192, 16], 0.5)


@pytest.mark.parametrize("flag", ["--model=", "--model.class_path="])
def test_a_module_of_the_users_own_is_trained_and_tested(flag, config, tmp_path, capsys):
    content = yaml.safe_load(config.read_text())
    del content["model"]
    config.write_text(yaml.safe_dump(content))
    options = ["--config", str(config), f"{flag}my_module.MyModel", "--model.num_features=15"]
    main(["fit", *options, "--model.width=12"])
    checkpoint = tmp_path / "run" / "best.ckpt"
    state = torch.load(checkpoint, weights_only=True)
    assert state["hyper_parameters"]["width"] == 12
    assert state["state_dict"]["lol.lf_weights"].tolist() == [1.0, 1.0, 1.0]
    main(["test", *options, "--ckpt_path", str(checkpoint)])
    assert "test_accuracy" in capsys.readouterr().out


@pytest.mark.parametrize(
    "penalty",
    [
        {"class_path": "lol_lightning.losses.GradientPenalty", "init_args": {"alpha": 3, "c": 0.25, "hinge": "linear"}},
        {"class_path": "GradientPenalty", "init_args": {"alpha": 3, "c": 0.25, "hinge": "linear"}},
        {"alpha": 3, "c": 0.25, "hinge": "linear"},
    ],
)
def test_penalties_in_a_configuration(penalty, parsed):
    built = parsed(model={"penalty": penalty, "lr": 0.02}).lol.penalty
    assert isinstance(built, GradientPenalty)
    assert (built.alpha, built.c, built.hinge) == (3, 0.25, "linear")


def test_penalties_by_flag(parsed):
    built = parsed("--model.penalty=ExamplePenalty", "--model.penalty.alpha", "2", model={}).lol.penalty
    assert isinstance(built, ExamplePenalty)
    assert built.alpha == 2
    section = {"penalty": {"class_path": "lol_lightning.losses.GradientPenalty", "init_args": {"alpha": 3}}}
    built = parsed("--model.penalty.every=4", model=section).lol.penalty
    assert (built.alpha, built.every) == (3, 4)


@pytest.mark.parametrize("nested", [False, True])
def test_the_numbers_of_a_checkpoint_replace_those_of_the_configuration(nested, config, tmp_path, parsed):
    penalty = {"alpha": 3.0, "c": 0.25}
    if nested:
        penalty = {"class_path": "lol_lightning.losses.GradientPenalty", "init_args": penalty}
    trained = parsed(model={"penalty": penalty, "hidden_sizes": [10]})
    assert trained.hparams["hidden_sizes"] == [10]
    checkpoint = tmp_path / "run" / "best.ckpt"
    cli = LoLCLI(["fit", "--config", str(config), "--trainer.max_epochs=1"])
    cli.trainer.fit(cli.model, cli.datamodule)
    again = parsed("--ckpt_path", str(checkpoint), "--model.hidden_sizes=[20]")
    assert again.hparams["hidden_sizes"] == [10]
    assert (again.lol.penalty.alpha, again.lol.penalty.c) == (3.0, 0.25)
    assert again.lol.penalty.weights == [1.0, 1.0, 1.0]


def test_checkpoints_can_be_switched_off(config, tmp_path):
    main(["fit", "--config", str(config), "--trainer.enable_checkpointing", "false"])
    assert not list(tmp_path.rglob("*.ckpt"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--model.lr=-1"], "lr = -1.0 must be a finite number above 0."),
        (["--model.penalty=GradientPenalty", "--model.penalty.c=0"], "c = 0 must be a finite number above 0."),
    ],
)
def test_a_bad_number_is_one_line(options, message, config, capsys):
    with pytest.raises(SystemExit) as exit_info:
        main(["fit", "--config", str(config), *options])
    assert exit_info.value.code == 2
    assert f"lol-lightning fit: {message}\n" == capsys.readouterr().err
