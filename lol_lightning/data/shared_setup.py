"""SharedSetup: work that several processes need is done once, and travels with a data module that is pickled."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

from lol_lightning._lightning import LightningDataModule
from lol_lightning.data.dataset import LoLDataset

__all__ = ["SPLITS", "SharedSetup"]

SPLITS = ("train", "val", "test", "predict")
_STAGES = {"fit": ("train", "val"), "validate": ("val",), "test": ("test",), "predict": ("predict",)}


class SharedSetup(LightningDataModule, ABC):
    """The setup of a data module whose costly part one process does for all.

    A subclass does that part in ``_compute``, and stores the results in ``self._once``. It runs in ``prepare_data``, in
    the process of rank 0, and ``setup`` sends the results to the others. From them each process makes its own datasets
    (``_make_dataset``), which are then kept. Without a trainer, ``setup`` does both.
    """

    def __init__(self) -> None:
        super().__init__()
        self.prepare_data_per_node = False
        self._datasets: dict[str, LoLDataset] = {}
        self._once: dict[str, Any] = {}

    @abstractmethod
    def has_rows(self, split: str) -> bool:
        """Whether there is such a split."""

    @abstractmethod
    def _compute(self, split: str) -> None:
        """Store in ``self._once`` what takes long for a split, unless it is there."""

    @abstractmethod
    def _make_dataset(self, split: str) -> LoLDataset:
        """Make the dataset of a split from ``self._once``."""

    def prepare_data(self) -> None:
        """Do what takes long for the stage that the trainer is in; Lightning calls this on rank 0."""
        stage = None if self.trainer is None or self.trainer.state.fn is None else self.trainer.state.fn.value
        for split in self._needed(stage):
            self._compute(split)

    def setup(self, stage: str | None = None) -> None:
        """Prepare the rows of a stage; what is ready is kept."""
        splits = self._needed(stage)
        trainer = self.trainer
        # A trainer that has ended leaves processes behind that nobody else talks to.
        if trainer is not None and (trainer.world_size == 1 or trainer.state.status.value != "running"):
            trainer = None
        if trainer is None or trainer.is_global_zero:
            for split in splits:
                self._compute(split)
        if trainer is not None:
            self._once = trainer.strategy.broadcast(self._once)
        for split in splits:
            if split not in self._datasets:
                self._datasets[split] = self._make_dataset(split)

    def _needed(self, stage: str | None) -> list[str]:
        """Splits with rows that a stage needs."""
        return [split for split in _STAGES.get(stage or "", SPLITS) if self.has_rows(split)]

    def __getstate__(self) -> dict[str, Any]:
        # Another process has a trainer of its own.
        return {**self.__dict__, "trainer": None}

    def __copy__(self) -> SharedSetup:
        # What one of both chooses or stores afterwards, the other does not see.
        own = {name: dict(value) for name, value in vars(self).items() if type(value) is dict}
        return _twin(self, {**vars(self), **own})

    def __deepcopy__(self, memo: dict[int, Any]) -> SharedSetup:
        # A copy in the same process needs none of what __getstate__ does for other processes.
        parts = {name: value for name, value in self.__dict__.items() if name != "trainer"}
        return _twin(self, {**copy.deepcopy(parts, memo), "trainer": self.trainer})


def _twin(data: SharedSetup, attributes: Mapping[str, Any]) -> SharedSetup:
    twin = type(data).__new__(type(data))
    twin.__dict__.update(attributes)
    return twin
