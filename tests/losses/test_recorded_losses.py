"""Losses of fifty steps equal those that version 0.1.0 (commit fa3c9ff) had with equal weights and batches.

``recorded_losses.json`` holds every seventh loss and the last one, in double precision, for each case of
``helpers/recorded.py``. Stratified samples are drawn as that version drew them, and the penalty is that of Eq. 3 to the
letter.
"""

import json
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from recorded import CASES, STEPS, D, K, initialise, make_batches, own_network
from systematic import systematic_rows
from toy import loader, trainer_options

from lol_lightning import LoLClassifier
from lol_lightning.data.batch import LoLBatch, SparseRows
from lol_lightning.functional import ExampleTargets, GradientTargets
from lol_lightning.functional.smoothing import SAMPLERS
from lol_lightning.losses import ExamplePenalty, GradientPenalty

RECORDED = json.loads((Path(__file__).parent / "recorded_losses.json").read_text())
MODEL = ("method", "lf_weights", "class_weights")
DATA = ("classes", "network", "targets", "votes")


class Recording(LoLClassifier):
    def training_step(self, batch, batch_idx):
        loss = super().training_step(batch, batch_idx)
        self.__dict__.setdefault("losses", []).append(float(loss.detach()))
        return loss


@pytest.mark.parametrize("name", CASES)
def test_losses_are_those_of_the_version_before(name, monkeypatch):
    monkeypatch.setitem(SAMPLERS, "stratified", systematic_rows)
    case = CASES[name]
    classes = case.get("classes", K)
    arguments = {
        "alpha": 2.0,
        "c": 0.3,
        "hold_factor": False,
        **{k: v for k, v in case.items() if k not in (*MODEL, *DATA)},
    }
    if (weights := arguments.pop("penalty_weights", None)) is not None:
        arguments["weights"] = weights
    penalty = (ExamplePenalty if case.get("targets") == "rows" else GradientPenalty)(**arguments)
    model = Recording(
        own_network(classes) if case.get("network") == "own" else None,
        num_features=D,
        num_classes=classes,
        dropout=0.0,
        hidden_sizes=(8, 6),
        penalty=None if "method" in case else penalty,
        optimizer="adam",
        **{name: case[name] for name in MODEL if name in case},
    ).double()
    initialise(model.network)
    batches = make_batches(case, LoLBatch, SparseRows, GradientTargets, ExampleTargets)
    pl.Trainer(**trainer_options(max_steps=STEPS, precision="64-true")).fit(model, loader(*batches))
    losses = torch.tensor([*model.losses[::7], model.losses[-1]], dtype=torch.double)
    torch.testing.assert_close(losses, torch.tensor(RECORDED[name], dtype=torch.double), rtol=1e-6, atol=1e-6)


def test_every_case_is_recorded():
    assert set(CASES) == set(RECORDED)
