"""ResumableSteps: the logs of training steps, and a fit that goes on from a checkpoint as if it had not stopped."""

from __future__ import annotations

from functools import partial
from typing import Any

from jaxtyping import Float
from torch import Tensor

from lol_lightning._lightning import LightningModule
from lol_lightning.models.epoch_means import EpochMeans
from lol_lightning.models.rank_state import own_state, random_state, restore_random_state, states_of_ranks

__all__ = ["ResumableSteps"]

RANK_STATES = "lol_rank_states"
"""Key of checkpoints."""


class ResumableSteps(LightningModule):
    """Logs the terms of each step and their means over an epoch.

    Checkpoints that hold the state of the optimizer hold these means and the random generators of each rank, too, so
    that a resumed fit draws and logs what an uninterrupted one does.
    """

    _TERMS: tuple[str, ...] = ()
    """Names of all terms that there may be, the same on all ranks."""

    def __init__(self) -> None:
        super().__init__()
        self._epoch_means = EpochMeans(self._TERMS)
        self._rank_states: list[dict[str, Tensor]] | None = None

    def on_train_epoch_end(self) -> None:
        """Log the mean of each term over the rows of the epoch, on all ranks."""
        reduce = partial(self.trainer.strategy.reduce, reduce_op="sum")
        means = self._epoch_means.pop(reduce if self.trainer.world_size > 1 else None)
        for name, mean in means.items():
            self.log(name, mean, prog_bar=name == "train_loss")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Keep random generators and the epoch's means where the state of the optimizer is kept, too."""
        if "optimizer_states" in checkpoint:
            checkpoint[RANK_STATES] = states_of_ranks(
                {**random_state(self.device), "epoch_means": self._epoch_means.state().cpu()}
            )

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Remember random generators and the epoch's means until the training goes on."""
        self._rank_states = checkpoint.get(RANK_STATES)

    def on_train_start(self) -> None:
        """Go on with the random numbers of the checkpoint that is resumed, and log the numbers in force.

        Lightning logs the arguments as they were at construction.
        """
        state, self._rank_states = own_state(self._rank_states), None
        if state is not None and self.trainer.ckpt_path is not None:
            restore_random_state(state, self.device)
            self._epoch_means.load(state["epoch_means"].to(self.device))
        for logger in self.loggers:
            logger.log_hyperparams(dict(self.hparams))

    def _log_step(self, terms: dict[str, Float[Tensor, ""]], num_rows: int) -> None:
        """Log the terms of a step, as often as the trainer asks for, and take them into the means of the epoch."""
        self._epoch_means.add(terms, num_rows)
        if self._logs_now():
            for name, value in terms.items():
                self.log(name, value, batch_size=num_rows, prog_bar=name == "train_loss")

    def _logs_now(self) -> bool:
        # Lightning's bookkeeping of a logged value costs as much as a small network's step.
        every = getattr(self.trainer, "log_every_n_steps", 0) or 50
        return self.trainer.is_last_batch or (self.global_step + 1) % every == 0
