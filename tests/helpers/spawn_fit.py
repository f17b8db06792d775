"""Fits by processes that Lightning spawns, and tells what the main process then has: ``python spawn_fit.py CASE``."""

import json
import sys

import pytorch_lightning as pl
import torch
from own_module import OwnClassifier, data
from toy import trainer_options

from lol_lightning import LoLClassifier


def main(case, strategy):
    pl.seed_everything(0, verbose=False)
    module = data()
    if case == "own":
        module.setup("fit")
        model = OwnClassifier(module.num_features, module.num_classes)
    else:
        model = LoLClassifier(lf_weights="coverage", hidden_sizes=(8,))
    trainer = pl.Trainer(**trainer_options(devices=2, strategy=strategy, max_epochs=40))
    trainer.fit(model, module)
    in_fit = {name: float(value) for name, value in trainer.callback_metrics.items()}
    after = pl.Trainer(**trainer_options()).validate(model, data(), verbose=False)[0]
    result = {"in_fit": in_fit, "after": after, "lf_weights": model.lol.lf_weights.tolist()}
    if case != "own":
        result["proba"] = model.predict_proba(["win a prize", "what a song"]).tolist()
        result["alpha"] = model.hparams["penalty"]["init_args"]["alpha"]
        result["finite"] = all(bool(torch.isfinite(p).all()) for p in model.parameters())
    print("RESULT " + json.dumps(result))


if __name__ == "__main__":
    main(*sys.argv[1:])
