"""Trains on embeddings by spawned processes: ``python spawn_embeddings.py ENCODER_FOLDER CACHE_FOLDER``."""

import json
import sys

import pytorch_lightning as pl
import torch
from toy import trainer_options

from lol_lightning import BagOfWords, LoLClassifier, LoLDataModule, keyword_lf
from lol_lightning.features import ColumnFeatures, TextEmbeddings

TEXTS = ["check my channel", "a great song", "visit my link now", "nice music", "subscribe please", "i love the video"]
LFS = [
    keyword_lf("links", ["check", "visit", "subscribe"], label=1),
    keyword_lf("praise", ["great", "nice", "love"], label=0),
]


def main(folder, cache):
    pl.seed_everything(0, verbose=False)
    meaning = TextEmbeddings(folder, device="cpu", cache_dir=cache, progress_bar=False)
    rows = [{"text": text, "label": 1 - i % 2} for i, text in enumerate(TEXTS)] * 4
    space = ColumnFeatures({"words": BagOfWords(), "meaning": meaning})
    data = LoLDataModule(rows, val=rows, lfs=LFS, feature_space=space, batch_size=6, progress_bar=False)
    model = LoLClassifier(class_shares=None)
    trainer = pl.Trainer(**trainer_options(devices=2, strategy="ddp_spawn", max_epochs=20))
    trainer.fit(model, data)
    result = {
        "accuracy": float(trainer.callback_metrics["val_accuracy"]),
        "proba": model.predict_proba(["check the link", "a great song"]).tolist(),
        "finite": all(bool(torch.isfinite(p).all()) for p in model.parameters()),
    }
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
