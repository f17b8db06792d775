"""A fitted LoLLabelModel as one file of plain arrays and JSON."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from snorkel.labeling.model.label_model import TrainConfig

from lol_lightning._files.disk import reading
from lol_lightning._files.plain import check_fields, check_list
from lol_lightning._files.state import check_tensor, read_archive, write_archive
from lol_lightning.exceptions import DataError
from lol_lightning.label_model.vote_model import VoteModel
from lol_lightning.models.classifier import LoLClassifier
from lol_lightning.models.model_file import check_model

__all__ = ["read_label_model", "write_label_model"]

FORMAT = "lol-lightning label model 4"
_FIELDS = {
    "format": str,
    "conditionals": torch.Tensor,
    "class_balance": torch.Tensor,
    "coverage": torch.Tensor,
    "config": dict,
    "classifier": dict | None,
}
_SETTINGS = {
    "n_epochs": int,
    "lr": float,
    "l2": float,
    "optimizer": str,
    "lr_scheduler": str,
    "prec_init": float | list,
    "seed": int,
    "log_freq": int,
    "mu_eps": float | None,
}
_WHAT = "a file that LoLLabelModel.save wrote"
_CURE = (
    "A pickle, such as Snorkel's LabelModel saves, is not read, since reading it can run code: fit a LoLLabelModel and "
    "save that."
)


def write_label_model(path: str | Path, vote_model: VoteModel, classifier: LoLClassifier | None) -> None:
    """Write a label model to exactly ``path``, whole or not at all.

    Raises:
        ConfigurationError: if the classifier's network or feature space can only be built by the user's own code.
        DataError: if the file cannot be written.
    """
    state = {
        "format": FORMAT,
        "conditionals": torch.from_numpy(vote_model.conditionals),
        "class_balance": torch.from_numpy(vote_model.class_balance),
        "coverage": torch.from_numpy(vote_model.coverage),
        "config": _plain(vote_model.config),
        "classifier": None if classifier is None else classifier.plain_state(),
    }
    write_archive(path, state)


def read_label_model(path: str | Path) -> tuple[VoteModel, LoLClassifier | None]:
    """Read what ``write_label_model`` wrote; nothing in the file is executed.

    Raises:
        DataError: if the file is missing, broken or something else.
    """
    state = read_archive(path, _WHAT, _CURE)
    if state.get("format") != FORMAT:
        raise DataError(f"{path} has the format {state.get('format')!r:.80}, expected {FORMAT!r}.")
    with reading(path, _WHAT, _CURE):
        fields = check_fields(state, _FIELDS, "the state")
        cls, lf = len(fields["class_balance"]), len(fields["conditionals"])
        balance = check_tensor(fields["class_balance"], torch.double, (cls,), "class_balance")
        conditionals = check_tensor(fields["conditionals"], torch.double, (lf, cls + 1, cls), "conditionals")
        if cls < 2 or not ((conditionals >= 0) & (conditionals <= 1)).all() or not (balance > 0).all():
            raise DataError("its conditionals or its class balance are no probabilities")
        coverage = check_tensor(fields["coverage"], torch.double, (lf,), "coverage")
        config = check_fields(fields["config"], _SETTINGS, "config")
        precision = config["prec_init"]
        if isinstance(precision, list):
            check_list(precision, float, "prec_init")
        classifier = None
        if fields["classifier"] is not None:
            classifier = LoLClassifier.from_state(*check_model(fields["classifier"]))
            if classifier.hparams["num_classes"] != cls:
                raise DataError(f"its classifier has {classifier.hparams['num_classes']} classes, not {cls}")
    return VoteModel(
        conditionals.numpy(), balance.numpy(), coverage.numpy(), TrainConfig()._replace(**config)
    ), classifier


def _plain(config: TrainConfig) -> dict[str, Any]:
    """Return Snorkel's settings in plain types, without those of its optimizers and schedulers, which do nothing."""
    precision = np.asarray(config.prec_init, dtype=float)
    return {
        "n_epochs": int(config.n_epochs),
        "lr": float(config.lr),
        "l2": float(config.l2),
        "optimizer": str(config.optimizer),
        "lr_scheduler": str(config.lr_scheduler),
        "prec_init": precision.tolist(),
        "seed": int(config.seed),
        "log_freq": int(config.log_freq),
        "mu_eps": None if config.mu_eps is None else float(config.mu_eps),
    }
