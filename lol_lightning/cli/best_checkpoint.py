"""The checkpoint callback of the command line: it keeps the best weights by a metric that the model really logs."""

from __future__ import annotations

import re
from typing import Any, Literal

import torch

from lol_lightning._lightning import (
    LightningModule,
    MisconfigurationException,
    ModelCheckpoint,
    Trainer,
    rank_zero_info,
)
from lol_lightning.exceptions import ConfigurationError, check_choice

__all__ = ["BestCheckpoint"]

DEFAULT = "val_accuracy"
FALLBACK = "val_loss"
"""Monitored where the model logs no ``DEFAULT``, as for validation rows without labels."""
_LOWER_IS_BETTER = {"loss", "error", "err", "nll", "ece", "mae", "mse", "rmse", "perplexity"}


class BestCheckpoint(ModelCheckpoint):
    """A ``ModelCheckpoint`` that never ends a fit without a checkpoint, and whose monitor may be named alone.

    Where the model logs no ``val_accuracy``, ``val_loss`` is monitored, and without that the last epoch is kept; one
    line says so. Any other monitor that the model does not log is an error, during Lightning's sanity check where its
    name begins with "val".

    Args:
        monitor: the metric, such as "val_accuracy", "val_macro_f1", "val_mcc" or "val_loss"; ``None`` keeps the last.
        mode: "max" or "min"; "auto" keeps the lowest of losses and errors, by their names, and the highest of all else.
        filename: of the checkpoint, without ending.
        enable_version_counter: whether another run's checkpoint of that name is kept.
        kwargs: others of ``ModelCheckpoint``.

    Raises:
        ConfigurationError: if the model does not log the monitor.
    """

    def __init__(
        self,
        monitor: str | None = DEFAULT,
        mode: Literal["auto", "max", "min"] = "auto",
        filename: str | None = "best",
        enable_version_counter: bool = False,
        **kwargs: Any,
    ) -> None:
        check_choice("checkpoint.mode", mode, ("auto", "max", "min"))
        resolved = _mode_of(monitor) if mode == "auto" else mode
        super().__init__(
            monitor=monitor,
            mode=resolved,
            filename=filename,
            enable_version_counter=enable_version_counter,
            **kwargs,
        )
        self._to_tell = mode == "auto" and monitor not in (DEFAULT, None)
        self._settled = monitor is None

    @property
    def state_key(self) -> str:
        """Name in checkpoints; the same for every monitor, so that no later command misses it."""
        return "ModelCheckpoint"

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Say whether the lowest or the highest value counts, where the name decided."""
        if self._to_tell:
            self._to_tell = False
            which, other = ("lowest", "max") if self.mode == "min" else ("highest", "min")
            rank_zero_info(f"The checkpoint of the {which} {self.monitor} is kept; else: --checkpoint.mode {other}.")

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look for the monitor among what was logged, and save."""
        if trainer.state.fn == "fit" and str(self.monitor).startswith("val"):
            self._settle(trainer)
        try:
            super().on_validation_end(trainer, pl_module)
        except MisconfigurationException:  # of another name, where Lightning saves in the middle of an epoch
            self._settle(trainer)
            raise

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Look for the monitor among what was logged, and save."""
        if not _validates(trainer) or not str(self.monitor).startswith("val"):
            self._settle(trainer)
        super().on_train_epoch_end(trainer, pl_module)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with what an earlier fit monitored in place of the default; scores of another metric are dropped."""
        monitor = state_dict.get("monitor")
        if self.monitor == DEFAULT and monitor in (FALLBACK, None):
            self._monitor(monitor)
        if self.monitor == monitor:
            super().load_state_dict(state_dict)

    def _settle(self, trainer: Trainer) -> None:
        """Take what is logged for the default monitor, and refuse any other that is not logged."""
        logged = sorted(trainer.callback_metrics)
        if self._settled or self.monitor in logged:
            self._settled = True
            return
        names = f"it logs {', '.join(logged)}" if logged else "it logs nothing"
        if self.monitor != DEFAULT:
            raise ConfigurationError(
                f"the model does not log {self.monitor!r}, which --checkpoint.monitor names; {names}."
            )
        self._monitor(FALLBACK if FALLBACK in logged else None)
        kept = f"the checkpoint of the lowest {FALLBACK}" if self.monitor else "the last checkpoint"
        rank_zero_info(f"The model logs no {DEFAULT} ({names}): {kept} is kept. --checkpoint.monitor names another.")

    def _monitor(self, monitor: str | None) -> None:
        self.monitor, self._settled = monitor, True
        if monitor is None:
            self.save_top_k = min(self.save_top_k, 1)
        self.mode = _mode_of(monitor)
        self.kth_value = torch.tensor(torch.inf if self.mode == "min" else -torch.inf)


def _validates(trainer: Trainer) -> bool:
    batches = trainer.num_val_batches
    return trainer.enable_validation and (sum(batches) if isinstance(batches, list) else batches) > 0


def _mode_of(monitor: str | None) -> str:
    """Return the better end of a metric, as far as its name tells.

    Example:
        >>> [_mode_of(name) for name in ("val_mcc", "val_loss", "val/NLL", "val_glossary")]
        ['max', 'min', 'min', 'max']
    """
    words = re.split(r"[^a-z0-9]+", (monitor or "").lower())
    return "min" if _LOWER_IS_BETTER.intersection(words) else "max"
