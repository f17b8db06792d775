"""Trains in two processes and writes which rows each one saw: ``python ddp_rows.py OUTPUT``."""

import json
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch

from lol_lightning.data.datamodule import LoLDataModule
from lol_lightning.lfs.rules.rules import keyword_lf
from lol_lightning.models.classifier import LoLClassifier


class Recorded(LoLClassifier):
    """Notes the rows of every batch; row i holds the word "row<i>"."""

    def on_train_batch_start(self, batch, batch_idx):
        names = self.trainer.datamodule.feature_space.feature_names
        rows = batch.features.to_dense()[:, [names.index(f"row{i}") for i in range(40)]]
        self.__dict__.setdefault("rows", []).extend(rows.argmax(1).tolist())
        self.targets = batch.gradient_targets.feature.tolist()


def main(output):
    texts = [f"song row{i}" for i in range(40)]
    data = LoLDataModule(texts, lfs=[keyword_lf("song", ["song"], 0)], batch_size=4, num_workers=1, progress_bar=False)
    model = Recorded(penalty={"alpha": 1.0, "c": 0.1}, lr=0.01)
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=2,
        strategy="ddp",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(model, data)
    content = {"rows": model.rows, "targets": model.targets}
    (output / f"{trainer.global_rank}.json").write_text(json.dumps(content))


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]))
