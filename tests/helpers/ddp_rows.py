"""Trains in two processes and writes what each one has: ``python ddp_rows.py OUTPUT STRATEGY INSPECT [NUM_VAL]``.

NUM_VAL is the number of validation rows. The LFs note each of their calls, with the process and the row, in the file
``calls`` of the directory OUTPUT.
"""

import json
import os
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from snorkel.labeling import labeling_function
from toy import trainer_options

from lol_lightning.data import LoLDataModule
from lol_lightning.models.classifier import LoLClassifier

NUM_ROWS = 40


class Recorded(LoLClassifier):
    """Notes the rows of every batch; row i holds the word "row<i>"."""

    output = None

    def on_train_batch_start(self, batch, batch_idx):
        names = self.trainer.datamodule.feature_space.feature_names
        rows = batch.features.to_dense()[:, [names.index(f"row{i}") for i in range(NUM_ROWS)]]
        self.__dict__.setdefault("rows", []).extend(rows.argmax(1).tolist())

    def on_fit_end(self):
        data = self.trainer.datamodule
        targets = data.gradient_targets
        content = {
            "rows": self.rows,
            "votes": data.train_votes.tolist(),
            "val_votes": data.val_votes.tolist() if data.has_rows("val") else [],
            "targets": [targets.lf.tolist(), targets.feature.tolist(), targets.value.tolist()],
            "sources": [f.source for record in data.records for f in record.features],
        }
        (self.output / f"{self.trainer.global_rank}.json").write_text(json.dumps(content))


def data_module(output, inspect, num_val):
    """A decorated function and a lambda, neither of which can be pickled."""

    def note(x):
        with open(output / "calls", "a", encoding="utf-8") as file:
            file.write(f"{os.getpid()} {x.text}\n")

    @labeling_function()
    def song(x):
        note(x)
        return 0 if "song" in x.text else -1

    texts = [f"song row{i}" for i in range(NUM_ROWS)]
    val = [f"song val{i}" for i in range(num_val)] or None
    return LoLDataModule(texts, val, lfs=[song], inspect=inspect, batch_size=4, progress_bar=False)


def main(output, strategy, inspect, num_val="6"):
    data = data_module(output, inspect, int(num_val))
    model = Recorded(num_classes=2, penalty={"alpha": 1.0, "c": 0.1}, lr=0.01)
    model.output = output
    trainer = pl.Trainer(**trainer_options(max_epochs=1, devices=2, strategy=strategy))
    trainer.fit(model, data)


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), *sys.argv[2:])
