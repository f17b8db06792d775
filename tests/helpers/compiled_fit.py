"""Trains plain, with a compiled network, and as a compiled model, and prints how far the weights are apart.

A script of its own, as PyTorch's compiler cannot read the type checks of the tests.
"""

import warnings

import pytorch_lightning as pl
import torch
from own_module import data
from torch import nn
from toy import trainer_options

from lol_lightning import LoLClassifier


def main():
    weights = []
    for compiled in (None, "network", "model"):
        pl.seed_everything(0, verbose=False)
        network = nn.Sequential(nn.Linear(16, 4), nn.Tanh(), nn.Linear(4, 2))
        plain = LoLClassifier(torch.compile(network) if compiled == "network" else network, num_classes=2)
        model = torch.compile(plain) if compiled == "model" else plain
        pl.Trainer(**trainer_options(max_epochs=1)).fit(model, data(batch_size=16))
        weights.append(torch.cat([parameter.detach().flatten() for parameter in network.parameters()]))
    print("APART", *(float((one - weights[0]).abs().max()) for one in weights[1:]))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main()
