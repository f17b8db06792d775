"""Fits a toy model with a real Trainer and saves its gradients: run as a script, in one process or in two.

``python ddp_fit.py DEVICES OUTPUT OPTIMIZER CASE``. With two devices, each rank takes every other row.
"""

import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from toy import NUM_CLASSES, NUM_FEATURES, toy_batch, trainer_options

from lol_lightning.models.classifier import LoLClassifier

SHARES = [0.7, 0.2, 0.1]


class Rows(pl.LightningDataModule):
    def __init__(self, case):
        super().__init__()
        self.case = case

    def train_dataloader(self):
        trainer = self.trainer
        batch = toy_batch(rows=slice(trainer.global_rank, None, trainer.world_size))
        if self.case == "abstain":
            # The rows that go to the second of two ranks: its whole batch is without a vote.
            if trainer.world_size == 1:
                batch.votes[1::2] = -1
            elif trainer.global_rank == 1:
                batch.votes[:] = -1
        return torch.utils.data.DataLoader([batch] * 3, batch_size=None)


class Recorded(LoLClassifier):
    """Keeps the gradients of every step as the optimizer saw them."""

    def on_before_optimizer_step(self, optimizer):
        gradients = {name: p.grad.to_dense().clone() for name, p in self.network.named_parameters()}
        self.__dict__.setdefault("recorded", []).append(gradients)


def main(devices, output, optimizer, case):
    pl.seed_everything(0, verbose=False)
    model = Recorded(
        num_features=NUM_FEATURES,
        num_classes=NUM_CLASSES,
        dropout=0.0,
        penalty={"alpha": 5.0},
        class_shares=SHARES if case == "shares" else None,
        shares_weight=5.0,
        optimizer=optimizer,
        lr=0.01,
    )
    strategy = "ddp" if devices > 1 else "auto"
    trainer = pl.Trainer(
        **trainer_options(devices=devices, strategy=strategy, max_epochs=1, use_distributed_sampler=False)
    )
    trainer.fit(model, datamodule=Rows(case))
    if trainer.is_global_zero:
        torch.save({"gradients": model.recorded, "weights": model.state_dict()}, output)


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3], sys.argv[4])
