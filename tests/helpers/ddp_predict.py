"""Predicts in two processes with a sampler that repeats rows, and writes one CSV: run as a script with its path."""

import sys

import torch
from torch.utils.data import DataLoader, DistributedSampler, default_collate
from toy import trainer_options

from lol_lightning._lightning import LightningModule, Trainer
from lol_lightning.models.prediction_writer import PredictionWriter

NUM_ROWS = 7


class Rows(torch.utils.data.Dataset):
    def __len__(self):
        return NUM_ROWS

    def __getitem__(self, row):
        return torch.tensor([float(row), 1.0])


class Ratio(LightningModule):
    """Predicts row / (row + 1) for class 0."""

    def __init__(self):
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def predict_dataloader(self):
        # Two ranks with four rows each: one of the seven comes twice, and the order is random.
        sampler = DistributedSampler(Rows(), self.trainer.world_size, self.trainer.global_rank, shuffle=True)
        return DataLoader(Rows(), batch_size=3, sampler=sampler, collate_fn=default_collate)

    def predict_step(self, batch, batch_idx):
        return batch / batch.sum(1, keepdim=True)


if __name__ == "__main__":
    trainer = Trainer(
        **trainer_options(
            devices=2, strategy="ddp", use_distributed_sampler=False, callbacks=[PredictionWriter(sys.argv[1])]
        )
    )
    trainer.predict(Ratio(), return_predictions=False)
