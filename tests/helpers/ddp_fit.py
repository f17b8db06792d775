"""Fits a toy model with a real Trainer and saves its gradients: run as a script, in one process or in two.

``python ddp_fit.py DEVICES OUTPUT OPTIMIZER CASE``. With two devices, each rank takes every other row.
"""

import sys
from dataclasses import replace
from pathlib import Path

import pytorch_lightning as pl
import scipy.sparse as sp
import torch
from toy import NUM_CLASSES, NUM_FEATURES, NUM_LFS, toy_batch, toy_problem, trainer_options

from lol_lightning.data.batch import SparseRows
from lol_lightning.data.insertions import InsertionBank
from lol_lightning.losses import InsertionPenalty
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
        batches = [batch] * 3
        if self.case == "insertions":
            # As LoLDataLoader does on every rank: another draw in each step, the same on all ranks.
            bank = toy_bank()
            batches = [replace(batch, gradient_targets=None, insertions=bank.draw(step)) for step in range(3)]
        return torch.utils.data.DataLoader(batches, batch_size=None)


def toy_bank():
    """Each of four LFs asks for the feature of its number, put into ten rows without it."""
    term = torch.repeat_interleave(torch.arange(4), 10)
    without = toy_problem(num_rows=40)[0]
    without[torch.arange(40), term] = 0
    with_term = without.clone()
    with_term[torch.arange(40), term] = 1
    features = [SparseRows.from_csr(sp.csr_array(part.numpy())) for part in (with_term, without)]
    return InsertionBank(*features, term, term % NUM_CLASSES, torch.ones(40), term, num_lfs=NUM_LFS, terms_per_step=3)


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
        penalty=InsertionPenalty(alpha=5.0) if case == "insertions" else {"alpha": 5.0},
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
