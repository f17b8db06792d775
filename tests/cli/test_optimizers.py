import copy
import pickle

import pytest
import torch

from lol_lightning.cli import main
from lol_lightning.cli.optimizers import use_optimizer
from lol_lightning.exceptions import ConfigurationError
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.lazy_adam import LazyAdam

STEP_LR = ["--lr_scheduler", "torch.optim.lr_scheduler.StepLR", "--lr_scheduler.step_size", "1"]
STEP_LR += ["--lr_scheduler.gamma", "0.5"]


def optimizer_state(tmp_path):
    content = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)
    (group,) = content["optimizer_states"][0]["param_groups"]
    return group, content["epoch"]


def test_optimizer_and_scheduler_by_class_path(config, tmp_path):
    options = ["--optimizer", "torch.optim.SGD", "--optimizer.lr", "0.5"]
    options += ["--lr_scheduler", "torch.optim.lr_scheduler.StepLR", "--lr_scheduler.step_size", "1"]
    main(["fit", "--config", str(config), *options, "--lr_scheduler.gamma", "0.5"])
    content = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)
    (group,) = content["optimizer_states"][0]["param_groups"]
    assert "momentum" in group
    assert group["initial_lr"] == 0.5
    assert group["lr"] == 0.5 * 0.5 ** (content["epoch"] + 1)


def test_lazy_adam_by_class_path(config, tmp_path):
    main(["fit", "--config", str(config), "--optimizer", f"{LazyAdam.__module__}.LazyAdam", "--optimizer.lr", "0.03"])
    content = torch.load(tmp_path / "run" / "best.ckpt", weights_only=True)
    assert content["optimizer_states"][0]["param_groups"][0]["lr"] == 0.03


def test_a_scheduler_alone_takes_the_optimizer_of_the_model(config, tmp_path):
    main(["fit", "--config", str(config), *STEP_LR, "--model.weight_decay", "0.003"])
    group, epoch = optimizer_state(tmp_path)
    assert group["weight_decay"] == 0.003
    assert group["initial_lr"] == 0.02
    assert group["lr"] == 0.02 * 0.5 ** (epoch + 1)


def test_a_scheduler_alone_keeps_lazy_adam_and_its_sparse_gradients(config, tmp_path):
    main(["fit", "--config", str(config), *STEP_LR, "--model.optimizer", "lazy-adam", "--trainer.max_epochs", "1"])
    group, _ = optimizer_state(tmp_path)
    assert set(LazyAdam([torch.zeros(1, requires_grad=True)]).param_groups[0]) <= set(group)


def test_a_plateau_scheduler_names_what_it_monitors(config, tmp_path):
    name = "pytorch_lightning.cli.ReduceLROnPlateau"
    options = ["--lr_scheduler", name, "--lr_scheduler.monitor", "val_loss", "--lr_scheduler.patience", "0"]
    main(["fit", "--config", str(config), *options])
    assert optimizer_state(tmp_path)[0]["lr"] <= 0.02


class Two(LoLClassifier):
    def configure_optimizers(self):
        return [torch.optim.SGD(self.parameters(), lr=0.1), torch.optim.SGD(self.parameters(), lr=0.2)]


class Own(LoLClassifier):
    def configure_optimizers(self):
        return {"optimizer": torch.optim.SGD(self.parameters(), lr=0.3)}


RECIPE = {"class_path": "torch.optim.lr_scheduler.StepLR", "init_args": {"step_size": 2}}


def test_an_overridden_configure_optimizers_counts():
    model = Own(num_features=3, num_classes=2)
    use_optimizer(model, None, RECIPE)
    ((optimizer,), (scheduler,)) = model.configure_optimizers()
    assert isinstance(optimizer, torch.optim.SGD)
    assert (optimizer.param_groups[0]["lr"], scheduler.step_size) == (0.3, 2)


def test_two_optimizers_cannot_take_one_scheduler():
    model = Two(num_features=3, num_classes=2)
    use_optimizer(model, None, RECIPE)
    with pytest.raises(ConfigurationError, match=r"--lr_scheduler alone needs a model .* one optimizer"):
        model.configure_optimizers()


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_recipes_travel_with_copies_of_the_model(duplicate):
    model = Own(num_features=3, num_classes=2)
    use_optimizer(model, {"class_path": "torch.optim.Adam", "init_args": {"lr": 0.7}}, RECIPE)
    twin = duplicate(model)
    ((optimizer,), _) = twin.configure_optimizers()
    parameters = optimizer.param_groups[0]["params"]
    assert isinstance(optimizer, torch.optim.Adam)
    assert all(own is parameter for own, parameter in zip(twin.parameters(), parameters, strict=True))


def test_without_recipes_the_model_is_as_it_was():
    model = Own(num_features=3, num_classes=2)
    use_optimizer(model, None, None)
    assert "configure_optimizers" not in vars(model)
