"""Fits a tiny BERT with a real Trainer and saves its gradients: ``python ddp_tokens.py DEVICES OUTPUT``.

With two devices, each rank takes every other row.
"""

import sys

import pytorch_lightning as pl
import torch
from tiny_bert import tiny_bert, token_data
from toy import trainer_options

from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.fine_tuning import FineTuning


class Rows(pl.LightningDataModule):
    """Three batches of 16 rows, or of the half of them that the rank has."""

    def train_dataloader(self):
        trainer, data = self.trainer, token_data()
        data.setup("fit")
        dataset, step = data.dataset("train"), trainer.world_size
        batches = [dataset.__getitems__(range(16 * i + trainer.global_rank, 16 * (i + 1), step)) for i in range(3)]
        return torch.utils.data.DataLoader(batches, batch_size=None)


class Recorded(LoLClassifier):
    """Keeps the gradients and learning rates of every step as the optimizer saw them."""

    def on_before_optimizer_step(self, optimizer):
        gradients = {name: p.grad.clone() for name, p in self.network.named_parameters() if p.grad is not None}
        rates = [group["lr"] for group in optimizer.param_groups]
        self.__dict__.setdefault("recorded", []).append((gradients, rates))


def main(devices, output):
    pl.seed_everything(0, verbose=False)
    network = tiny_bert(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    tuning = FineTuning(layer_decay=0.5, gradient_checkpointing=True)
    model = Recorded(network, num_classes=2, method="lol-simple", class_shares=None, lr=1e-3, fine_tuning=tuning)
    strategy = "ddp" if devices > 1 else "auto"
    trainer = pl.Trainer(
        **trainer_options(devices=devices, strategy=strategy, max_epochs=1, use_distributed_sampler=False)
    )
    trainer.fit(model, datamodule=Rows())
    if trainer.is_global_zero:
        torch.save({"recorded": model.recorded, "weights": model.network.state_dict()}, output)


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
