"""Generated corpora, and LoLClassifier's training step in a bare loop or in a Trainer, to measure both."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from benchmarks.speed.timing import CLOCK
from lol_lightning._lightning import pl
from lol_lightning.data.batch import LoLBatch
from lol_lightning.data.dataset import LoLDataset
from lol_lightning.data.loader import LoLDataLoader
from lol_lightning.data.synthetic import synthetic_votes_and_rows
from lol_lightning.experiments.training import quiet
from lol_lightning.models.classifier import LoLClassifier

BATCH_SIZE = 128


def generated(num_rows: int, num_features: int, num_lfs: int, num_classes: int, num_inspected: int) -> LoLDataset:
    """Draw rows of 40 words under Zipf's law, and the votes of LFs that inspect ``num_inspected`` of the features."""
    features, votes, targets = synthetic_votes_and_rows(
        num_rows, num_features, num_lfs, num_classes, words_per_lf=max(1, num_inspected // num_lfs)
    )
    frequency = np.bincount(features.indices, minlength=num_features) / num_rows
    return LoLDataset(features, votes, replace(targets, document_frequency=torch.from_numpy(frequency).float()))


def loader(dataset: LoLDataset) -> LoLDataLoader:
    return LoLDataLoader(dataset, batch_size=BATCH_SIZE, shuffle=True)


class BareClassifier(LoLClassifier):
    """A LoLClassifier whose ``training_step`` runs without a Trainer: it counts steps itself and logs nowhere."""

    num_steps = 0

    @property
    def global_step(self) -> int:
        return self.num_steps

    def log(self, *args: Any, **kwargs: Any) -> None:
        pass

    def _logs_now(self) -> bool:
        return False


class BareLoop:
    """The least code that trains: what a step costs in itself."""

    def __init__(self, dataset: LoLDataset, device: str = "cpu", bf16: bool = False, **options: Any) -> None:
        torch.manual_seed(0)
        self.model = BareClassifier(**sizes(dataset), **options).to(device)
        self.optimizer: Any = self.model.configure_optimizers()
        self.device, self.bf16 = torch.device(device), bf16

    def train(self, batches: Iterable[LoLBatch]) -> None:
        for batch in batches:
            self.gradients(batch)
            self.optimizer.step()
            self.model.num_steps += 1
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)

    def gradients(self, batch: LoLBatch) -> None:
        self.optimizer.zero_grad()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.bf16):
            loss = self.model.training_step(batch.to(self.device, non_blocking=True), 0)
        loss.backward()


class Clock(pl.Callback):
    """Seconds from the first to the last batch of a fit: what comes before and after is not an epoch's time."""

    seconds = 0.0

    def on_train_epoch_start(self, *_: Any) -> None:
        self._started = CLOCK()

    def on_train_epoch_end(self, trainer: pl.Trainer, *_: Any) -> None:
        if trainer.strategy.root_device.type == "cuda":
            torch.cuda.synchronize()
        self.seconds += CLOCK() - self._started


def fit_epoch(dataset: LoLDataset, device: str = "cpu", bf16: bool = False, **options: Any) -> float:
    """Seconds of one epoch inside ``Trainer.fit``."""
    clock = Clock()
    with quiet():
        trainer = pl.Trainer(
            max_epochs=1,
            accelerator="gpu" if device == "cuda" else device,
            devices=1,
            precision="bf16-mixed" if bf16 else "32-true",
            callbacks=[clock],
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(LoLClassifier(**sizes(dataset), **options), loader(dataset))
    return clock.seconds


def sizes(dataset: LoLDataset) -> dict[str, int]:
    targets = dataset.gradient_targets
    return {"num_features": targets.num_features, "num_classes": targets.num_classes}
