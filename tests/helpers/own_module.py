"""A LightningModule of a user's own that gets Losses over Labels with five added lines, marked with "# LoL"."""

import pandas as pd
import pytorch_lightning as pl
import torch
from torch import nn

from lol_lightning import GradientPenalty, LoLDataModule, LoLLoss, keyword_lf
from lol_lightning.networks import SparseMLP


class OwnClassifier(pl.LightningModule):
    def __init__(self, num_features: int, num_classes: int):
        super().__init__()
        self.save_hyperparameters()
        self.network: nn.Module = SparseMLP(num_features, num_classes)
        self.lol = LoLLoss(GradientPenalty())  # LoL

    def configure_model(self):  # LoL
        self.lol.configure(self)  # LoL

    def training_step(self, batch, batch_idx):
        terms = self.lol(self.network, batch, self.global_step)  # LoL
        self.log_dict(terms.logs())  # LoL
        return terms.loss

    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.lol(self.network, batch).vote_loss, batch_size=len(batch))

    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), lr=1e-2)


def rows(num_rows=60):
    words = ["prize", "song", "win", "melody"]
    texts = [f"{words[i % 4]} number{i % 7} word{i % 5}" for i in range(num_rows)]
    return pd.DataFrame({"text": texts, "label": [int(i % 4 in (0, 2)) for i in range(num_rows)]})


def lfs():
    return [keyword_lf("prize", ["prize"], 1), keyword_lf("song", ["song", "melody"], 0), keyword_lf("win", ["win"], 1)]


def data(**options):
    frame = rows()
    return LoLDataModule(frame, val=frame, test=frame, predict=frame, lfs=lfs(), progress_bar=False, **options)
