"""Fits on two ranks with a schedule that follows ``val_loss``: ``python plateau_fit.py DIRECTORY``."""

import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
import torch.nn.functional as F
from own_module import data
from pytorch_lightning.callbacks import Callback
from toy import trainer_options

from lol_lightning import LoLClassifier


class Scheduled(LoLClassifier):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, patience=0, factor=0.5, threshold=0.2)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "monitor": "val_loss"}}


class Rates(Callback):
    def __init__(self):
        self.lrs = []

    def on_train_epoch_start(self, trainer, module):
        self.lrs.append(trainer.optimizers[0].param_groups[0]["lr"])


def main(directory):
    pl.seed_everything(0, verbose=False)
    model, rates, module = Scheduled(hidden_sizes=(8,), lr=0.05), Rates(), data(batch_size=8)
    options = trainer_options(devices=2, strategy="ddp", max_epochs=12, callbacks=[rates])
    trainer = pl.Trainer(**options)
    trainer.fit(model, module)
    names = ("val_loss", "train_loss", "val_accuracy")
    logged = {name: float(trainer.callback_metrics[name]) for name in names}
    model.eval()
    with torch.no_grad():
        rows = module.dataset("val")
        batch = rows.__getitems__(range(len(rows)))
        val_loss = float(F.cross_entropy(model(batch.features), batch.labels))
    state = {"lrs": rates.lrs, "logged": logged, "val_loss": val_loss, "weights": dict(model.state_dict())}
    torch.save(state, Path(directory) / f"{trainer.global_rank}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
