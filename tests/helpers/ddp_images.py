"""Trains on images in two processes and writes what each one has: ``python ddp_images.py OUTPUT STRATEGY LEVEL CACHE``.

Labelers note each image that they are trained on, with the process, in the file ``trained_on`` of the directory OUTPUT.
"""

import json
import os
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn
from toy import trainer_options
from toy_images import small_backbone, toy_image_data

from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.vision import LabelerTraining, LoLImageDataModule, RowTargetOptions, SplitOptions


class Noted:
    """An augmentation that changes nothing and notes the process."""

    def __init__(self, output):
        self.output = output

    def __call__(self, image):
        with open(self.output / "trained_on", "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()}\n")
        return image


class Recorded(LoLClassifier):
    """Writes what its process has after the fit."""

    output = None

    def on_fit_end(self):
        data = self.trainer.datamodule
        targets = data.example_targets
        content = {
            "process": os.getpid(),
            "votes": data.train_votes.tolist(),
            "val_votes": data.val_votes.tolist(),
            "lf_names": data.lf_names,
            "rows": data.train_rows.tolist(),
            "demands": targets.demands().tolist(),
            "is_mapped": str(self.output / "cache") in Path("/proc/self/maps").read_text(encoding="utf-8"),
            "features": data.dataset("train").features.double().sum().item(),
            "labelers": data.labelers.heads.weight.tolist(),
            "is_training": data.labelers.training,
        }
        (self.output / f"{self.trainer.global_rank}.json").write_text(json.dumps(content))


def data_module(output, level, cache):
    training = LabelerTraining(backbone=small_backbone(), epochs=2, augment=Noted(output))
    targets = RowTargetOptions(level, top_k=5, cache=str(output / "cache") if cache == "cache" else None)
    split = SplitOptions(val_per_class=2)
    return LoLImageDataModule(
        toy_image_data(), ["bat", "eel"], labelers=training, targets=targets, split=split, batch_size=4
    )


def main(output, strategy, level, cache):
    network = nn.Linear(96, 2) if level == "representation" else nn.Sequential(nn.Flatten(), nn.Linear(192, 2))
    model = Recorded(network, num_classes=2, lr=0.01)
    model.output = output
    trainer = pl.Trainer(**trainer_options(max_epochs=1, devices=2, strategy=strategy))
    trainer.fit(model, data_module(output, level, cache))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *sys.argv[2:])
