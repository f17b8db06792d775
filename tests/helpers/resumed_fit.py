"""Fits with a checkpoint after every step, and may be killed: ``python resumed_fit.py DIRECTORY DEVICES CKPT KILL``.

CKPT is the checkpoint to resume, or "none"; after step KILL the process kills itself with SIGKILL, if that is above 0.
"""

import os
import signal
import sys
from pathlib import Path

import pytorch_lightning as pl
import torch
from own_module import data
from pytorch_lightning.callbacks import Callback, ModelCheckpoint
from toy import trainer_options

from lol_lightning import LoLClassifier


class Kill(Callback):
    def __init__(self, step):
        self.step = step

    def on_train_batch_start(self, trainer, *_):
        if self.step and trainer.global_step == self.step:
            os.kill(os.getpid(), signal.SIGKILL)


def every_step(directory):
    """A callback that keeps the checkpoint of each step, before the validation that may follow it."""
    return ModelCheckpoint(directory, filename="{step}", every_n_train_steps=1, save_top_k=-1)


def main(directory, devices, ckpt, kill):
    pl.seed_everything(0, verbose=False)
    model = LoLClassifier(hidden_sizes=(8,), dropout=0.3)
    strategy = "auto" if devices == "1" else "ddp"
    options = trainer_options(max_epochs=3, devices=int(devices), strategy=strategy, enable_checkpointing=True)
    trainer = pl.Trainer(**{**options, "callbacks": [every_step(directory), Kill(int(kill))]})
    trainer.fit(model, data(batch_size=16), ckpt_path=None if ckpt == "none" else ckpt, weights_only=True)
    if trainer.is_global_zero:
        torch.save(model.state_dict(), Path(directory) / f"end_{ckpt == 'none'}.pt")


if __name__ == "__main__":
    main(*sys.argv[1:])
