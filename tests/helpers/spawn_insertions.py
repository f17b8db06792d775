"""Fits on insertions by two processes that Lightning spawns, with LFs that do not pickle.

The last line tells what the main process then has.
"""

import json

import pytorch_lightning as pl
import torch
from own_module import rows
from snorkel.labeling import labeling_function
from toy import trainer_options

from lol_lightning import LoLClassifier, LoLDataModule


def lfs():
    @labeling_function()
    def prize(x):
        return 1 if "prize" in x.text or "win" in x.text else -1

    @labeling_function()
    def song(x):
        return 0 if "song" in x.text or "melody" in x.text else -1

    return [prize, song]


def main():
    pl.seed_everything(0, verbose=False)
    data = LoLDataModule(rows(), lfs=lfs(), insertions=True, progress_bar=False, batch_size=16)
    model = LoLClassifier(hidden_sizes=(8,))
    pl.Trainer(**trainer_options(devices=2, strategy="ddp_spawn", max_epochs=25)).fit(model, data)
    result = {
        "penalty": type(model.lol.penalty).__name__,
        "finite": all(bool(torch.isfinite(p).all()) for p in model.parameters()),
        "proba": model.predict_proba(["win a prize", "what a song"]).tolist(),
    }
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main()
