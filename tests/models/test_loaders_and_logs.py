"""What is logged: means over an epoch, over ranks, and of several loaders each."""

import pytest
import pytorch_lightning as pl
import torch
from own_module import data
from processes import HELPERS, run_python
from pytorch_lightning.callbacks import Callback
from torch import nn
from toy import trainer_options

from lol_lightning import LoLClassifier
from lol_lightning.exceptions import ConfigurationError


class Losses(Callback):
    """Keeps the loss and the size of every batch, and what is logged at the end of each epoch."""

    def __init__(self):
        self.batches, self.epochs = [], []

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        self.batches.append((float(outputs["loss"]), len(batch)))

    def on_train_epoch_end(self, trainer, module):
        self.epochs.append((self.batches, trainer.callback_metrics))
        self.batches = []


def ready(**options):
    module = data(**options)
    for stage in ("fit", "test", "predict"):
        module.setup(stage)
    return module


@pytest.mark.parametrize("method", ["lol", "lol-simple"])
def test_the_train_loss_of_an_epoch_is_the_mean_over_its_rows(method):
    losses = Losses()
    # 60 rows: three batches of 16 and a last one of 12.
    trainer = pl.Trainer(**trainer_options(max_epochs=3, callbacks=[losses]))
    trainer.fit(LoLClassifier(method=method), data(batch_size=16))
    logged = []
    for batches, _ in losses.epochs:
        assert [rows for _, rows in batches] == [16, 16, 16, 12]
        logged.append(sum(loss * rows for loss, rows in batches) / 60)
    assert float(trainer.callback_metrics["train_loss"]) == pytest.approx(logged[-1], rel=1e-5)
    assert ("train_penalty" in trainer.callback_metrics) == (method == "lol")


def test_several_loaders_are_told_apart():
    module = ready(batch_size=16)
    whole, part = module.val_dataloader(), module.val_dataloader()
    part.dataset.labels[:30] = 1 - part.dataset.labels[:30]
    other = ready(batch_size=16).val_dataloader()
    model = LoLClassifier(num_features=module.num_features, num_classes=2)
    trainer = pl.Trainer(**trainer_options(max_epochs=12))
    trainer.fit(model, module.train_dataloader(), [whole, other])
    logged = trainer.callback_metrics
    assert float(logged["val_accuracy/dataloader_idx_0"]) == 0.5
    assert float(logged["val_accuracy/dataloader_idx_1"]) == 1.0
    assert logged["val_loss/dataloader_idx_0"] > 2 * logged["val_loss/dataloader_idx_1"]
    first, second = trainer.test(model, [whole, other], verbose=False)
    assert (first["test_accuracy/dataloader_idx_0"], second["test_accuracy/dataloader_idx_1"]) == (0.5, 1.0)
    assert [len(part) for part in trainer.predict(model, [other, other])] == [4, 4]


def test_half_precision_without_a_mixed_one_is_refused():
    trainer = pl.Trainer(**trainer_options(max_epochs=1, precision="16-true"))
    with pytest.raises(ConfigurationError, match="precision='16-mixed', 'bf16-mixed' or 'bf16-true'"):
        trainer.fit(LoLClassifier(), data())


@pytest.mark.ddp
@pytest.mark.slow
def test_two_ranks_log_the_same_losses_and_so_schedule_alike(tmp_path):
    run_python("-W", "ignore", HELPERS / "plateau_fit.py", tmp_path)
    one, two = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert one["lrs"] == two["lrs"]
    assert one["lrs"][-1] < one["lrs"][0]
    assert one["logged"] == two["logged"]
    # The loss over the rows of both ranks.
    assert one["logged"]["val_loss"] == pytest.approx(one["val_loss"], rel=1e-5)
    for name, weight in one["weights"].items():
        assert weight.equal(two["weights"][name]), name


@pytest.mark.parametrize("outputs", [1, 3])
@pytest.mark.parametrize("validated", [True, False])
@pytest.mark.parametrize("method", ["lol", "lol-simple"])
def test_a_network_with_another_number_of_outputs_is_named(outputs, validated, method):
    limit = {} if validated else {"limit_val_batches": 0}
    model = LoLClassifier(nn.Linear(16, outputs), num_classes=2, method=method)
    with pytest.raises(ConfigurationError, match=rf"returns \(\d+, {outputs}\) .* end it with Linear\(..., 2\)"):
        pl.Trainer(**trainer_options(max_epochs=1, **limit)).fit(model, data())
